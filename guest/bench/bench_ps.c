/*
 * bench_ps -- ps aux among many sleeping processes
 *
 * Arguments: how often, the number of processes.
 * guest: args=1,20
 */
#include "bench.h"

static void once(void)
{
    pid_t pid = MUST(fork());
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        execlp("ps", "ps", "aux", NULL);
        _exit(127);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    if (status != 0)
        _exit(1);
}

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 3), processes = number(argc, argv, 2, 1000);
    int ends[2];
    MUST(pipe(ends));
    for (long i = 0; i < processes; i++)
        if (MUST(fork()) == 0) {
            char byte;
            close(ends[1]);
            _exit(read(ends[0], &byte, 1));
        }
    once();
    start();
    for (long i = 0; i < n; i++)
        once();
    stop();
    close(ends[1]);
    while (wait(NULL) > 0)
        ;
    return 0;
}
