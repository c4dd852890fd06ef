/*
 * endless_loop -- computes for ever, with all signals blocked
 * guest: native=no
 */
#include "guest.h"

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (volatile unsigned long i = 0;; i++)
        ;
}
