/*
 * exit_group -- ending a process from any thread ends all of them, wherever they are
 */
#include "guest.h"

static int pipes[2];

static void *spin(void *argument)
{
    for (volatile unsigned long i = 0;; i++)
        ;
    return NULL;
}

static void *block(void *argument)
{
    char byte;
    read(pipes[0], &byte, 1);
    return NULL;
}

static void *end(void *argument)
{
    sleep_ms(20);
    if (argument)
        *(volatile int *)8 = 1;
    _exit(11);
}

static void many(void *argument)
{
    pthread_t thread;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int i = 0; i < 6; i++)
        pthread_create(&thread, NULL, i % 2 ? spin : block, NULL);
    pthread_create(&thread, NULL, end, argument);
    pthread_join(thread, NULL);
    pause();
}

int main(void)
{
    MUST(pipe(pipes));
    pid_t child = FORK(many(NULL));
    out("_exit in one thread: %s\n", status_name(reap(child)));
    child = FORK(many("fault"));
    out("a fault in one thread: %s\n", status_name(reap(child)));
    child = FORK(many(NULL));
    kill(child, SIGKILL);
    out("SIGKILL: %s\n", status_name(reap(child)));
    /* A thread that forks leaves the others behind: the child has one thread. */
    child = FORK({
        pthread_t thread;
        pthread_create(&thread, NULL, spin, NULL);
        pid_t grandchild = FORK({
            char line[256];
            int count = -1;
            FILE *file = fopen("/proc/self/status", "r");
            while (fgets(line, sizeof line, file))
                sscanf(line, "Threads: %d", &count);
            _exit(count);
        });
        _exit(WEXITSTATUS(reap(grandchild)));
    });
    out("threads in a forked child: %s\n", status_name(reap(child)));
    return 0;
}
