/*
 * 30-global-init -- SIGKILL and SIGSTOP to the first process of the system
 * guest: native=no libc=musl needs=root
 *
 * A tracer with PTRACE_O_EXITKILL that dies does nothing to it either, if it could be traced at all.  Never to be run on a host, though a host would survive it: init ignores both whoever sends them (patch 9, Linux 4.20).
 */
#include "scenario.h"

static int debugger(void)
{
    trace(PTRACE_SEIZE, 1, 0, PTRACE_O_EXITKILL);
    return 0;
}

static int orphan(void)
{
    pid_t parent = getppid();
    post(1);
    must_come(getppid() != parent);
    await(2);
    say("adopted-by-init", "%s", yes(getppid() == 1));
    post(0);
    return 0;
}

static int middle(void)
{
    spawn("O", orphan);
    await(1);
    return 0;
}

static void scenario(void)
{
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
    say("kill", "%s", result(kill(1, SIGKILL)));
    say("stop", "%s", result(kill(1, SIGSTOP)));
    WAIT("tracer", spawn("D", debugger), 0);
    sleep_ms(20);
    char state = task_state(1);
    say("init-lives", "%s", yes(state == 'S' || state == 'R' || state == 'I'));
    WAIT("middle", spawn("M", middle), 0);
    post(2);
    await(0);
}
