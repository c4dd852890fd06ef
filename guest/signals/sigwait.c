/*
 * sigwait -- sigwaitinfo and sigtimedwait take signals without a handler
 */
#include "guest.h"

/* musl's wrapper hides EINTR. */
#define sigtimedwait(set, info, timeout) syscall(SYS_rt_sigtimedwait, set, info, timeout, 8L)

static sigset_t set;

static void take(const char *what, struct timespec *limit)
{
    siginfo_t info = {0};
    int number = sigtimedwait(&set, &info, limit);
    if (number < 0)
        out("%s: %s\n", what, errno_name(errno));
    else
        out("%s: %s code %d value %d pid %s\n", what, number >= SIGRTMIN ? "RT" : signal_name(number), info.si_code,
            info.si_code == SI_QUEUE ? info.si_value.sival_int : 0,
            info.si_code == SI_USER || info.si_code == SI_QUEUE ? info.si_pid == getpid() ? "own" : "other" : "-");
}

static void on_hup(int number) {}

int main(void)
{
    struct timespec zero = {0, 0}, soon = {0, 30000000}, bad = {0, 1000000000};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    take("nothing there, no time", &zero);
    long before = now_ms();
    take("nothing comes", &soon);
    expect(now_ms() - before >= 29, "it waited");
    take("bad time", &bad);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 6});
    for (int i = 0; i < 5; i++)
        take("pending", &zero);
    pid_t parent = getpid();
    pid_t child = FORK({
        sleep_ms(20);
        kill(parent, SIGUSR1);
        sleep_ms(20);
        _exit(4);
    });
    take("from a child", NULL);
    siginfo_t info;
    int number = sigtimedwait(&set, &info, NULL);
    out("%s code %d status %d pid %s\n", signal_name(number), info.si_code, info.si_status, info.si_pid == child ? "child" : "other");
    reap(child);
    handle(SIGALRM, on_hup, SA_RESTART);
    struct itimerval timer = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    take("interrupted by another signal", NULL);
    sigset_t kill_set;
    sigemptyset(&kill_set);
    sigaddset(&kill_set, SIGKILL);
    TRY(sigtimedwait(&kill_set, NULL, &zero));
    TRY(syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, 4L));
    /* An ignored signal can still be waited for while it is blocked. */
    signal(SIGUSR1, SIG_IGN);
    kill(getpid(), SIGUSR1);
    take("ignored and blocked", &zero);
    signal(SIGUSR1, SIG_DFL);
    int taken;
    kill(getpid(), SIGUSR1);
    out("sigwait %d", sigwait(&set, &taken));
    out(" took %s\n", signal_name(taken));
    return wrong;
}
