/*
 * deadlock -- three processes wait for each other for ever: a pipe, a child, a lock
 * guest: native=no
 */
#include "guest.h"

int main(void)
{
    int a[2], b[2];
    char byte;
    MUST(pipe(a));
    MUST(pipe(b));
    FORK({
        read(a[0], &byte, 1);
        write(b[1], "x", 1);
    });
    FORK({
        read(b[0], &byte, 1);
        write(a[1], "x", 1);
    });
    out("waiting\n");
    while (wait(NULL) > 0)
        ;
    return 0;
}
