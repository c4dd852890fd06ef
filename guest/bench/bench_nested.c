/*
 * bench_nested -- fork, exit and wait inside pid namespaces
 *
 * Arguments: the number of children, how many namespaces deep.
 * guest: needs=root args=100,10
 */
#include "bench.h"

static void once(void)
{
    pid_t pid = MUST(fork());
    if (pid == 0)
        _exit(0);
    MUST(waitpid(pid, NULL, 0));
}

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 1000), depth = number(argc, argv, 2, 10);
    for (long i = 0; i < depth; i++) {
        MUST(unshare(CLONE_NEWPID));
        pid_t pid = MUST(fork());
        if (pid)
            _exit(WEXITSTATUS(reap(pid)));
    }
    once();
    start();
    for (long i = 0; i < n; i++)
        once();
    stop();
    return 0;
}
