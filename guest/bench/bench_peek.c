/*
 * bench_peek -- a tracer reads words of its stopped child's memory: PTRACE_PEEKDATA
 *
 * Argument: the number of words.
 * guest: args=500
 */
#include "bench.h"
#include <sys/ptrace.h>

static volatile long words[1024];

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 50000);
    for (long i = 0; i < 1024; i++)
        words[i] = i;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        raise(SIGSTOP);
        _exit(0);
    }
    MUST(waitpid(pid, NULL, 0));
    start();
    for (long i = 0; i < n; i++)
        if (ptrace(PTRACE_PEEKDATA, pid, (void *)&words[i & 1023], NULL) != (i & 1023))
            _exit(1);
    stop();
    MUST(kill(pid, SIGKILL));
    MUST(waitpid(pid, NULL, 0));
    return 0;
}
