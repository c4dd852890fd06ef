/*
 * live_processes -- 1,000 processes alive at once, each blocked, then all ended and reaped
 * guest: slow=yes args=1000 timeout=60
 */
#include "guest.h"

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000, up[2], down[2];
    MUST(pipe(up));
    MUST(pipe(down));
    char byte;
    for (int i = 0; i < count; i++)
        FORK({
            close(down[1]);
            write(up[1], "r", 1);
            read(down[0], &byte, 1);
            _exit(i % 10);
        });
    int ready = 0;
    while (ready < count && read(up[0], &byte, 1) == 1)
        ready++;
    out("%d processes alive\n", ready);
    close(down[1]);
    int status, reaped = 0, sum = 0;
    while (wait(&status) > 0) {
        reaped++;
        sum += WEXITSTATUS(status);
    }
    out("%d reaped, sum %d\n", reaped, sum);
    return reaped != count;
}
