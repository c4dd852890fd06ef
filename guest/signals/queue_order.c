/*
 * queue_order -- standard signals coalesce, real-time signals queue; which of several pending ones comes first
 *
 * Linux delivers synchronous signals first, then the lowest number first; of one real-time signal the oldest first.
 */
#include "guest.h"

static void on_signal(int number, siginfo_t *info, void *context)
{
    if (info->si_code == SI_QUEUE)
        out("  %d value %d\n", number >= SIGRTMIN ? number - SIGRTMIN + 1000 : number, info->si_value.sival_int);
    else
        out("  %s code %d\n", signal_name(number), info->si_code);
}

static void queue(int number, int value) { MUST(sigqueue(getpid(), number, (union sigval){.sival_int = value})); }

int main(void)
{
    sigset_t all, old, pending;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask); /* one handler at a time: the order of delivery is the order of printing */
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP && (number < 32 || number >= SIGRTMIN))
            MUST(sigaction(number, &action, NULL));
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    for (int i = 0; i < 3; i++) {
        queue(SIGRTMIN + 2, 20 + i);
        queue(SIGRTMIN, i);
        queue(SIGUSR2, 200 + i);
        queue(SIGRTMIN + 1, 10 + i);
        kill(getpid(), SIGUSR1);
    }
    kill(getpid(), SIGHUP);
    raise(SIGTERM);
    sigpending(&pending);
    int count = 0;
    for (int number = 1; number <= SIGRTMAX; number++)
        count += sigismember(&pending, number) == 1;
    out("%d kinds pending\n", count);
    sigprocmask(SIG_SETMASK, &old, NULL);

    out("process and thread queues: the thread's own comes first\n");
    sigprocmask(SIG_BLOCK, &all, &old);
    kill(getpid(), SIGUSR1);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
    sigprocmask(SIG_SETMASK, &old, NULL);

    out("a synchronous signal overtakes lower numbers\n");
    sigprocmask(SIG_BLOCK, &all, &old);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGSEGV);
    kill(getpid(), SIGTRAP);
    sigprocmask(SIG_SETMASK, &old, NULL);

    out("both queues may hold the same standard signal\n");
    sigprocmask(SIG_BLOCK, &all, &old);
    kill(getpid(), SIGUSR1);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
    sigprocmask(SIG_SETMASK, &old, NULL);

    out("a signal set to SIG_IGN is dropped, also when it was pending\n");
    sigprocmask(SIG_BLOCK, &all, &old);
    queue(SIGRTMIN, 1);
    queue(SIGRTMIN, 2);
    kill(getpid(), SIGUSR1);
    signal(SIGRTMIN, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    out("  pending: %d %d\n", sigismember(&pending, SIGRTMIN), sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    return 0;
}
