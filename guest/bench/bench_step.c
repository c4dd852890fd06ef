/*
 * bench_step -- a tracer single-steps its child: PTRACE_SINGLESTEP and waitpid(2) for each instruction
 *
 * Argument: the number of steps.
 * guest: args=500
 */
#include "bench.h"
#include <sys/ptrace.h>

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 20000);
    pid_t pid = MUST(fork());
    if (pid == 0) {
        volatile int spin = 1;
        MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        raise(SIGSTOP);
        while (spin)
            continue;
        _exit(0);
    }
    MUST(waitpid(pid, NULL, 0));
    start();
    for (long i = 0; i < n; i++) {
        MUST(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
        MUST(waitpid(pid, NULL, 0));
    }
    stop();
    MUST(kill(pid, SIGKILL));
    MUST(waitpid(pid, NULL, 0));
    return 0;
}
