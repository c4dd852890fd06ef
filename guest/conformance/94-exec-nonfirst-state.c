/*
 * 94-exec-nonfirst-state -- exec by a thread that is not the first: what of the process and of the thread is kept
 * guest: libc=musl
 */
static void after_exec(const char *verb);
#define IMAGE(verb, first, second) after_exec(verb)
#include "scenario.h"

static void on_signal(int number)
{
}

static void after_exec(const char *verb)
{
    if (strcmp(verb, "look"))
        return;
    struct itimerval timer;
    struct sigaction action;
    sigset_t set;
    MUST(getitimer(ITIMER_REAL, &timer));
    say("interval-timer", "%s", yes(timer.it_value.tv_sec > 50));
    say("posix-timer", "%s", result(syscall(SYS_timer_delete, 0)));
    MUST(sigaction(SIGUSR1, NULL, &action));
    say("handler-reset", "%s", yes(action.sa_handler == SIG_DFL));
    MUST(sigaction(SIGUSR2, NULL, &action));
    say("ignored-kept", "%s", yes(action.sa_handler == SIG_IGN));
    MUST(sigprocmask(SIG_BLOCK, NULL, &set));
    say("mask-of-thread", "%s", yes(sigismember(&set, SIGWINCH) == 1));
    say("mask-of-first", "%s", yes(sigismember(&set, SIGURG) == 1));
    sigpending(&set);
    say("pending-of-thread", "%s", yes(sigismember(&set, SIGWINCH) == 1));
    say("pending-of-process", "%s", yes(sigismember(&set, SIGIO) == 1));
    say("parent", "%s", who(getppid()));
    _exit(0);
}

static int other(void)
{
    mask(SIG_BLOCK, SIGWINCH);
    mask(SIG_BLOCK, SIGIO);
    mask(SIG_UNBLOCK, SIGURG);
    MUST(syscall(SYS_tkill, gettid_raw(), SIGWINCH));
    MUST(kill(getpid(), SIGIO));
    MUST(exec_self("look", 0, 0));
    return 1;
}

static int process(void)
{
    struct itimerval timer = {{0, 0}, {100, 0}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    int id = -1;
    mask(SIG_BLOCK, SIGURG);
    mask(SIG_BLOCK, SIGIO);
    handle(SIGUSR1, on_signal, 0);
    signal(SIGUSR2, SIG_IGN);
    MUST(setitimer(ITIMER_REAL, &timer, NULL));
    MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    say("timer-id", "%d", id);
    thread(other);
    sleep_for_ever();
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
