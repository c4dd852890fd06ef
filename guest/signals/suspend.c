/*
 * suspend -- sigsuspend opens the mask only while it waits, and the handler sees the temporary mask
 */
#include "guest.h"

static int count;

static void on_signal(int number)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("  handler of %s: USR1 %d USR2 %d TERM %d blocked\n", signal_name(number), sigismember(&set, SIGUSR1),
        sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
    count++;
}

static void show(const char *when)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("%s: USR1 %d USR2 %d TERM %d blocked\n", when, sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
}

int main(void)
{
    handle(SIGUSR1, on_signal, 0);
    handle(SIGUSR2, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    mask(SIG_BLOCK, SIGUSR2);
    sigset_t temporary;
    sigemptyset(&temporary);
    sigaddset(&temporary, SIGTERM);
    raise(SIGUSR1);
    show("before");
    TRY(sigsuspend(&temporary));
    show("after");
    out("handlers %d\n", count);
    raise(SIGUSR1);
    raise(SIGUSR2);
    out("two pending ones are both delivered, the second before the first's handler runs on\n");
    TRY(sigsuspend(&temporary));
    out("handlers %d\n", count);
    /* ppoll and pselect do the same with a timeout. */
    struct timespec t = {5, 0}, zero = {0, 0};
    raise(SIGUSR1);
    TRY(ppoll(NULL, 0, &t, &temporary));
    raise(SIGUSR1);
    TRY(pselect(0, NULL, NULL, NULL, &t, &temporary));
    TRY(ppoll(NULL, 0, &zero, &temporary));
    show("after all");
    TRY(syscall(SYS_rt_sigsuspend, &temporary, 4L));
    /* An ignored signal does not end it. */
    signal(SIGUSR1, SIG_IGN);
    pid_t parent = getpid();
    pid_t child = FORK({
        sleep_ms(20);
        kill(parent, SIGUSR1);
        sleep_ms(20);
        kill(parent, SIGUSR2);
    });
    TRY(sigsuspend(&temporary));
    out("handlers %d\n", count);
    reap(child);
    return 0;
}
