/*
 * bench_teardown -- the death of a pid namespace: its init is killed and everybody in it has to go
 *
 * Arguments: the number of processes in the namespace.
 * guest: needs=root args=50
 */
#include "bench.h"

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 1000);
    int ready[2];
    char byte;
    MUST(pipe(ready));
    MUST(unshare(CLONE_NEWPID));
    pid_t init = MUST(fork());
    if (init == 0) {
        for (long i = 0; i < n; i++)
            if (MUST(fork()) == 0) {
                pause();
                _exit(0);
            }
        MUST(write(ready[1], "r", 1));
        pause();
        _exit(0);
    }
    MUST(read(ready[0], &byte, 1));
    start();
    MUST(kill(init, SIGKILL));
    reap(init);
    stop();
    return 0;
}
