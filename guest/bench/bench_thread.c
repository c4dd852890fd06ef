/*
 * bench_thread -- pthread_create and pthread_join
 *
 * Argument: the number of threads, one after the other.
 * guest: args=100
 */
#include "bench.h"

static void *nothing(void *argument) { return argument; }

static void once(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL))
        _exit(1);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 2000);
    once();
    start();
    for (long i = 0; i < n; i++)
        once();
    stop();
    return 0;
}
