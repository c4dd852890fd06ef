/*
 * bench_getppid -- a loop of getppid(2): the price of a system call that does nothing
 *
 * Argument: the number of calls.
 * guest: args=1000
 */
#include "bench.h"

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 100000);
    start();
    for (long i = 0; i < n; i++)
        syscall(SYS_getppid);
    stop();
    return 0;
}
