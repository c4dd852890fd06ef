/*
 * bench_fork -- fork, exit and wait, with some MiB of touched memory to inherit
 *
 * Arguments: the number of children, the MiB.
 * guest: args=100
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
    long n = number(argc, argv, 1, 1000), dirty = number(argc, argv, 2, 0) << 20;
    if (dirty) {
        char *memory = (char *)MUST(mmap(NULL, dirty, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        /* Small pages everywhere, so that all run the same experiment. */
        madvise(memory, dirty, MADV_NOHUGEPAGE);
        for (long i = 0; i < dirty; i += 4096)
            memory[i] = 1;
    }
    once();
    start();
    for (long i = 0; i < n; i++)
        once();
    stop();
    return 0;
}
