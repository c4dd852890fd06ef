/*
 * bench_exec -- fork, exec of this very program (static), exit and wait
 *
 * Arguments: the number of rounds, then the command to exec instead of this program itself (an emulator in front of it, say).
 * The first round is not measured: it fills caches.
 * guest: args=20
 */
#include "bench.h"

static void once(char **command)
{
    pid_t pid = MUST(fork());
    if (pid == 0) {
        execv(command[0], command);
        _exit(127);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    if (status)
        _exit(1);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return 0;
    long n = number(argc, argv, 1, 200);
    char *self[] = {argv[0], "child", NULL};
    char **command = argc > 2 ? argv + 2 : self;
    once(command);
    start();
    for (long i = 0; i < n; i++)
        once(command);
    stop();
    return 0;
}
