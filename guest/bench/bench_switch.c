/*
 * bench_switch -- two processes that do nothing but sched_yield(2), bound to one processor
 *
 * Argument: the number of switches.  The measured process yields half as often: each time the other one yields back.
 * guest: args=500
 */
#include "bench.h"

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 20000);
    volatile int *done = (int *)MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    MUST(sched_setaffinity(0, sizeof one, &one));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        while (!*done)
            sched_yield();
        _exit(0);
    }
    sched_yield();
    start();
    for (long i = 0; i < n / 2; i++)
        sched_yield();
    stop();
    *done = 1;
    MUST(waitpid(pid, NULL, 0));
    return 0;
}
