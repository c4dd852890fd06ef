/*
 * pending_signals -- a tracee's signal mask and queues: PEEKSIGINFO, GETSIGMASK, SETSIGMASK, signals blocked while stopped
 */
#include "guest.h"
#include "ptrace.h"

struct peek_arguments {
    unsigned long offset;
    unsigned flags;
    int count;
};

static volatile int caught;
static void on_signal(int number) { caught++; }

int main(void)
{
    pid_t pid = FORK({
        handle(SIGUSR2, on_signal, 0);
        mask(SIG_BLOCK, SIGUSR1);
        mask(SIG_BLOCK, SIGRTMIN + 1);
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        union sigval value;
        for (int i = 0; i < 3; i++) {
            value.sival_int = i;
            sigqueue(getpid(), SIGRTMIN + 1, value);
        }
        kill(getpid(), SIGUSR1);
        syscall(SYS_tkill, getpid(), SIGUSR1);
        raise(SIGSTOP);
        out("caught %d\n", caught);
        raise(SIGUSR2);
        out("caught %d\n", caught);
        sigset_t none;
        sigemptyset(&none);
        sigaddset(&none, SIGUSR1);
        sigaddset(&none, SIGRTMIN + 1);
        sigsuspend(&none);
        _exit(caught);
    });
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    unsigned long set = 0;
    TRY(ptrace(0x420a, pid, 4, &set));
    TRY(ptrace(0x420a, pid, 8, 8));
    TRY(ptrace(0x420a, pid, 8, &set));
    out("mask %#lx\n", set);
    siginfo_t infos[8];
    memset(infos, 0, sizeof infos);
    struct peek_arguments arguments = {0, 1, 8};
    long count = TRY(ptrace(0x4209, pid, &arguments, infos));
    for (int i = 0; i < count; i++)
        out("shared %d: %d code %d\n", i, infos[i].si_signo == SIGUSR1 ? 10 : 35, infos[i].si_code);
    arguments = (struct peek_arguments){1, 1, 2};
    count = TRY(ptrace(0x4209, pid, &arguments, infos));
    for (int i = 0; i < count; i++)
        out("shared %d: value %d\n", i + 1, infos[i].si_value.sival_int);
    arguments = (struct peek_arguments){0, 0, 8};
    count = TRY(ptrace(0x4209, pid, &arguments, infos));
    for (int i = 0; i < count; i++)
        out("own %d: %s code %d\n", i, signal_name(infos[i].si_signo), infos[i].si_code);
    arguments = (struct peek_arguments){0, 2, 8};
    TRY(ptrace(0x4209, pid, &arguments, infos));
    arguments = (struct peek_arguments){0, 0, -1};
    TRY(ptrace(0x4209, pid, &arguments, infos));
    arguments = (struct peek_arguments){0, 0, 0};
    TRY(ptrace(0x4209, pid, &arguments, infos));
    TRY(ptrace(0x4209, pid, 8, infos));
    arguments = (struct peek_arguments){0, 0, 8};
    TRY(ptrace(0x4209, pid, &arguments, 8));

    /* Block SIGUSR2 as well: it is not seen until unblocked. */
    set |= 1 << (SIGUSR2 - 1) | 1 << (SIGKILL - 1);
    TRY(ptrace(0x420b, pid, 8, &set));
    TRY(ptrace(0x420a, pid, 8, &set));
    out("mask %#lx\n", set);
    kill(pid, SIGUSR2);
    MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0)); /* to the end of the call */
    stop(pid, 0);
    set = 1 << (SIGUSR1 - 1) | 1UL << SIGRTMIN;
    TRY(ptrace(0x420b, pid, 8, &set));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    stop(pid, 0);
    /* The mask of a call that waits with another one is the one that comes back. */
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    await_state(pid, "S");
    kill(pid, SIGUSR2);
    stop(pid, 0);
    TRY(ptrace(0x420a, pid, 8, &set));
    out("mask %#lx\n", set);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    stop(pid, 0);
    return 0;
}
