/*
 * pending_limit -- RLIMIT_SIGPENDING: queued signals are counted; kill still works when the limit is reached
 */
#include "guest.h"

static int delivered, without_info;

static void on_signal(int number, siginfo_t *info, void *context)
{
    delivered++;
    if (info->si_pid == 0)
        without_info++;
}

int main(void)
{
    /* The count is per user: become somebody with no other pending signals if we can. */
    uid_t nobody_else = 100000 + getpid();
    if (geteuid() == 0)
        MUST(setresuid(nobody_else, nobody_else, nobody_else));
    struct rlimit limit = {5, 5};
    MUST(setrlimit(RLIMIT_SIGPENDING, &limit));
    handle_info(SIGRTMIN, on_signal, 0);
    handle_info(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGRTMIN);
    mask(SIG_BLOCK, SIGUSR1);
    union sigval value = {.sival_int = 1};
    for (int i = 1; i <= 7; i++)
        out("sigqueue number %d: %s\n", i, sigqueue(getpid(), SIGRTMIN, value) ? errno_name(errno) : "queued");
    out("kill with a real-time signal: %s\n", kill(getpid(), SIGRTMIN) ? errno_name(errno) : "sent");
    out("kill with a standard signal: %s\n", kill(getpid(), SIGUSR1) ? errno_name(errno) : "sent");
    out("a timer: %s\n", timer_create(CLOCK_MONOTONIC, NULL, &(timer_t){0}) ? errno_name(errno) : "created");
    mask(SIG_UNBLOCK, SIGUSR1);
    out("delivered %d, %d of them without information\n", delivered, without_info);
    delivered = without_info = 0;
    mask(SIG_UNBLOCK, SIGRTMIN);
    out("delivered %d, %d of them without information\n", delivered, without_info);
    mask(SIG_BLOCK, SIGRTMIN);
    out("sigqueue after delivery: %s\n", sigqueue(getpid(), SIGRTMIN, value) ? errno_name(errno) : "queued");
    return 0;
}
