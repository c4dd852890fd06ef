/*
 * 88-orphaned-group -- a process group becomes orphaned: its stopped members get SIGHUP and SIGCONT; SIGTSTP stops nobody there
 * guest: libc=musl
 */
#include "scenario.h"

static volatile sig_atomic_t hups, conts;

static void on_signal(int number)
{
    if (number == SIGHUP)
        hups++;
    else
        conts++;
}

static int member(void)
{
    handle(SIGHUP, on_signal, 0);
    handle(SIGCONT, on_signal, 0);
    post(0);
    must_come(hups && conts);
    say("member", "SIGHUP %d SIGCONT %d", hups, conts);
    MUST(kill(getpid(), SIGTSTP));
    say("after-sigtstp", "runs");
    MUST(kill(getpid(), SIGTTIN));
    say("after-sigttin", "runs");
    post(2);
    return 4;
}

static int leader(void)
{
    setsid();
    pid_t pid = spawn("M", member);
    shared->value[0] = pid;
    MUST(setpgid(pid, pid));
    await(0);
    MUST(kill(pid, SIGTSTP));
    WAIT("stopped", pid, WUNTRACED);
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn("L", leader);
    must_come(strchr("Z", task_state(pid)));
    await(2);
    WAIT("leader", pid, 0);
    WAIT_WITHIN("member", shared->value[0], 0, LIMIT_MS);
}
