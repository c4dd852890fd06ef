/* Signals: delivery and return, the kinds of siginfo, interrupted and restarted calls, timers. */
#include "trace.h"

struct action { void *handler; unsigned long flags; void *restorer; unsigned long mask; };

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
}

static char stack[65536];

int main(void)
{
    struct action ignore = {SIG_IGN, 0, 0, 0}, old;
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    unsigned long mask = 1UL << 9 | 1UL << 1, pending, all = MINUS, none = 0, hup = 1;
    struct timespec ms = {0, 1000000}, left;
    siginfo_t info = {0};
    int pid = getpid();

    CALL(rt_sigaction, SIGUSR1, &ignore, &old, 8L);
    CALL(rt_sigaction, SIGUSR1, 0L, &old, 8L);
    CALL(kill, pid, SIGUSR1);
    CALL(kill, pid, SIGCHLD);
    CALL(kill, pid, SIGCONT);
    sigaddset(&action.sa_mask, SIGRTMAX);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMAX, &action, NULL);
    CALL(rt_sigprocmask, SIG_BLOCK, &mask, &pending, 8L);
    CALL(rt_sigprocmask, SIG_SETMASK, 0L, &pending, 8L);
    stack_t alternate = {stack, 0, sizeof stack};
    CALL(sigaltstack, &alternate, &alternate);
    CALL(sigaltstack, 0L, &alternate);
    CALL(kill, pid, SIGUSR1);
    CALL(rt_sigpending, &pending, 8L);
    CALL(tkill, pid, 0);
    CALL(tgkill, pid, pid, SIGINT);
    CALL(kill, 0, 0);
    info.si_signo = SIGRTMAX;
    info.si_code = SI_QUEUE;
    info.si_pid = pid;
    info.si_uid = 3;
    info.si_value.sival_ptr = (void *)0x123456789;
    CALL(rt_sigqueueinfo, pid, SIGRTMAX, &info);
    CALL(rt_tgsigqueueinfo, pid, pid, SIGRTMAX, &info);
    CALL(pidfd_send_signal, -1, SIGINT, 0L, 0);
    CALL(rt_sigqueueinfo, pid, SIGINT, BAD);
    CALL(rt_sigtimedwait, &all, &info, &ms, 8L);
    CALL(rt_sigtimedwait, &all, 0L, 0L, 8L);
    CALL(rt_sigtimedwait, &hup, &info, &ms, 8L);
    CALL(rt_sigprocmask, SIG_SETMASK, &none, 0L, 8L);
    CALL(kill, pid, SIGUSR1);
    CALL(tgkill, pid, pid, SIGUSR1);
    info.si_code = SI_TKILL;
    info.si_signo = SIGUSR1;
    CALL(rt_sigqueueinfo, pid, SIGUSR1, &info);

    struct itimerval soon = {{0, 0}, {0, 20000}}, was;
    sigaction(SIGALRM, &action, NULL);
    CALL(setitimer, ITIMER_REAL, &soon, 0L);
    CALL(rt_sigsuspend, &none, 8L);
    CALL(setitimer, ITIMER_REAL, &soon, &was);
    CALL(pause);
    soon.it_value.tv_usec = 0;
    CALL(setitimer, ITIMER_REAL, &soon, 0L);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
    struct itimerspec later = {{0, 0}, {0, 20000000}}, before;
    int timer = 0;
    CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
    CALL(timer_settime, timer, 0, &later, &before);
    CALL(pause);
    CALL(timer_gettime, timer, &before);
    CALL(timer_getoverrun, timer);
    CALL(timer_delete, timer);
    event.sigev_notify = 77;
    CALL(timer_create, CLOCK_REALTIME, &event, &timer);
    CALL(timer_create, CLOCK_REALTIME, 0L, 0L);
    CALL(alarm, 5);
    CALL(alarm, 0);
    CALL(nanosleep, &ms, &left);
    ms.tv_nsec = -1;
    CALL(nanosleep, &ms, &left);

    /* A child interrupts: a sleep, a restarted read, a read that is not. */
    int ends[2];
    char byte;
    struct timespec ten = {10, 0};
    pipe(ends);
    sigaction(SIGINT, &action, NULL);
    if (!fork()) {
        for (int i = 0; i < 3; i++) {
            usleep(50000);
            kill(pid, i < 2 ? SIGINT : SIGUSR2);
        }
        usleep(50000);
        _exit(0);
    }
    action.sa_flags = 0;
    sigaction(SIGUSR2, &action, NULL);
    CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &ten, &left);
    CALL(read, ends[0], &byte, 1L);
    CALL(wait4, -1, 0L, 0, 0L);
    if (!fork()) {
        usleep(50000);
        kill(pid, SIGSTOP);
        usleep(50000);
        kill(pid, SIGCONT);
        usleep(300000);
        _exit(0);
    }
    ten = (struct timespec){0, 200000000};
    CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &ten, &left);
    CALL(wait4, -1, 0L, 0, 0L);
    signal(SIGTRAP, (void (*)(int))handler);
    __asm__ volatile("int3");
    CALL(kill, pid, SIGPIPE);
    return 0;
}
