/*
 * altstack -- sigaltstack: where handlers run, what may be changed meanwhile, AUTODISARM
 */
#include "guest.h"
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char area[65536], second[65536];

static const char *where(void)
{
    char here;
    return &here >= area && &here < area + sizeof area ? "alternate" : &here >= second && &here < second + sizeof second ? "second" : "normal";
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    stack_t now, other = {.ss_sp = second, .ss_size = sizeof second};
    ucontext_t *uc = context;
    sigaltstack(NULL, &now);
    out("  %s: on the %s stack, ss_flags %#x, uc_stack size %zu flags %#x\n", signal_name(number), where(), now.ss_flags,
        uc->uc_stack.ss_size, uc->uc_stack.ss_flags);
    out("  changing it now: %s\n", sigaltstack(&other, NULL) ? errno_name(errno) : "works");
    if (number == SIGUSR1)
        raise(SIGUSR2);
}

int main(void)
{
    stack_t stack = {.ss_sp = area, .ss_size = sizeof area}, now;
    sigaltstack(NULL, &now);
    out("at start: flags %d\n", now.ss_flags);
    TRY(sigaltstack(&stack, NULL));
    handle_info(SIGUSR1, on_signal, SA_ONSTACK);
    handle_info(SIGUSR2, on_signal, SA_ONSTACK);
    out("both handlers on the stack\n");
    raise(SIGUSR1);
    sigaltstack(NULL, &now);
    out("afterwards: %s\n", now.ss_sp == area ? "unchanged" : "changed");
    handle_info(SIGUSR2, on_signal, 0);
    out("the inner one without SA_ONSTACK\n");
    raise(SIGUSR1);
    handle_info(SIGUSR1, on_signal, 0);
    out("none with SA_ONSTACK\n");
    raise(SIGUSR2);
    sigaltstack(NULL, &now);
    out("which may change it; but returning from the handler restores the old one: %s\n",
        now.ss_sp == second ? "second" : now.ss_sp == area ? "first" : "other");

    stack.ss_flags = SS_AUTODISARM;
    TRY(sigaltstack(&stack, NULL));
    handle_info(SIGUSR1, on_signal, SA_ONSTACK);
    handle_info(SIGUSR2, on_signal, SA_ONSTACK);
    out("AUTODISARM\n");
    raise(SIGUSR2);
    sigaltstack(NULL, &now);
    out("afterwards: %s flags %#x\n", now.ss_sp == area ? "first" : "other", now.ss_flags);

    stack.ss_flags = 0;
    stack.ss_size = 1000;
    TRY(sigaltstack(&stack, NULL));
    stack.ss_flags = 7;
    stack.ss_size = sizeof area;
    TRY(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_ONSTACK;
    TRY(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_DISABLE;
    TRY(sigaltstack(&stack, NULL));
    sigaltstack(NULL, &now);
    out("disabled: flags %d size %zu\n", now.ss_flags, now.ss_size);
    out("a handler with SA_ONSTACK then uses the %s\n", "normal stack");
    raise(SIGUSR2);
    TRY(syscall(SYS_sigaltstack, 8L, NULL));
    return 0;
}
