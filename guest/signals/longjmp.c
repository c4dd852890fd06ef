/*
 * longjmp -- leaving handlers by siglongjmp, from nested ones and from the alternate stack, many times
 */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static char area[65536];

static void leave(int number) { siglongjmp(back, number); }
static void leave_from_inner(int number)
{
    if (number == SIGUSR1)
        raise(SIGUSR2);
    siglongjmp(back, number);
}

int main(void)
{
    volatile int count = 0;
    handle(SIGUSR1, leave, 0);
    for (int i = 0; i < 1000; i++) {
        if (sigsetjmp(back, 1) == 0)
            raise(SIGUSR1);
        else
            count++;
    }
    out("left %d times\n", count);
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("SIGUSR1 blocked %d\n", sigismember(&set, SIGUSR1));
    handle(SIGUSR1, leave_from_inner, 0);
    handle(SIGUSR2, leave_from_inner, 0);
    int number = sigsetjmp(back, 1);
    if (number == 0)
        raise(SIGUSR1);
    out("left both from the inner one: %s\n", signal_name(number));
    stack_t stack = {.ss_sp = area, .ss_size = sizeof area};
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, leave, SA_ONSTACK);
    count = 0;
    for (int i = 0; i < 200; i++) {
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)8 = 1;
        count++;
    }
    sigaltstack(NULL, &stack);
    out("left the alternate stack %d times, its flags are %d\n", count, stack.ss_flags);
    /* Without restoring the mask the signal stays blocked. */
    handle(SIGUSR1, leave, 0);
    if (sigsetjmp(back, 0) == 0)
        raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("SIGUSR1 blocked %d\n", sigismember(&set, SIGUSR1));
    return 0;
}
