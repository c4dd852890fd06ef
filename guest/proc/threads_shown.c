/*
 * threads_shown -- four threads with names that sleep, for ps and others to show; with an argument the first of them exits
 * guest: native=probe needs=proc
 */
#include "guest.h"
#include <sys/prctl.h>

static pthread_barrier_t named;

static void *sleeper(void *name)
{
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&named);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    pthread_t thread;
    prctl(PR_SET_NAME, "threads_shown");
    pthread_barrier_init(&named, NULL, 4);
    for (char **name = (char *[]){"alpha", "beta", "gamma", NULL}; *name; name++)
        pthread_create(&thread, NULL, sleeper, *name);
    pthread_barrier_wait(&named);
    if (argc > 1)
        pthread_exit(NULL);
    pause();
    return 0;
}
