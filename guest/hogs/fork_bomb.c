/*
 * fork_bomb -- processes that fork for ever
 * guest: native=no
 */
#include "guest.h"

int main(void)
{
    for (;;)
        if (fork() < 0)
            sched_yield();
}
