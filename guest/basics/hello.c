/*
 * hello -- the smallest program that says something
 *
 * Loading, the first stack, libc's start-up code, one write and exit_group with a status of its own.
 */
#include "guest.h"

int main(void)
{
    puts("hello, world");
    return 0;
}
