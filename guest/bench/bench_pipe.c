/*
 * bench_pipe -- one byte to another process and back, through two pipes
 *
 * Argument: the number of round trips.
 * guest: args=500
 */
#include "bench.h"

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 10000);
    int there[2], back[2];
    char byte = 'x';
    MUST(pipe(there));
    MUST(pipe(back));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            write(back[1], &byte, 1);
        _exit(0);
    }
    start();
    for (long i = 0; i < n; i++) {
        write(there[1], &byte, 1);
        read(back[0], &byte, 1);
    }
    stop();
    close(there[1]);
    MUST(waitpid(pid, NULL, 0));
    return 0;
}
