/*
 * 25-cld-trapped -- the si_code of the SIGCHLD that tells a tracer of a group-stop trap
 * guest: libc=musl
 *
 * Mainline says CLD_STOPPED there and CLD_TRAPPED elsewhere, while waitid says CLD_TRAPPED always; patch 25 makes them agree.
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    sleep_for_ever();
}

static void stop_it(pid_t pid)
{
    MUST(kill(pid, SIGSTOP));
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-delivery", 1);
    WAITID("waitid-delivery", P_PID, pid, WSTOPPED | WNOHANG | __WALL);
    resume(pid, SIGSTOP);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-stop", 1);
    WAITID("waitid-stop", P_PID, pid, WSTOPPED | WNOHANG | __WALL);
}

static int debugger(void)
{
    watch_sigchld();
    pid_t pid = shared->value[0];
    say("round", "attach");
    MUST(trace(PTRACE_ATTACH, pid, 0, 0));
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-attach", 1);
    WAITID("waitid-attach", P_PID, pid, WSTOPPED | WNOHANG | __WALL);
    resume(pid, 0);
    stop_it(pid);
    pid = shared->value[1];
    say("round", "seize");
    seize(pid, 0);
    stop_it(pid);
    MUST(kill(pid, SIGCONT));
    within(QUIET_MS, sigchld_count);
    say_sigchlds("sigchld-continue", 1);
    return 0;
}

static void scenario(void)
{
    shared->value[0] = spawn("C", child);
    shared->value[1] = spawn("E", child);
    await_count(0, 2);
    WAIT("tracer", spawn("D", debugger), 0);
}
