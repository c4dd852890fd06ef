/*
 * 82-detach-in-stop -- a tracee in group stop is detached: it stays stopped, as an ordinary stopped process, until SIGCONT
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    sleep_for_ever();
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, 0);
    MUST(kill(pid, SIGSTOP));
    TRACE_WAIT("delivery", pid);
    resume(pid, SIGSTOP);
    TRACE_WAIT("group-stop", pid);
    say("traced-state", "%c", task_state(pid));
    say("detach", "%s", result(trace(PTRACE_DETACH, pid, 0, 0)));
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("C", child);
    await(0);
    WAIT("debugger", spawn("D", debugger), 0);
    await_process(pid, "T");
    say("state", "%c", task_state(pid));
    WAITID("parent", P_PID, pid, WSTOPPED | WNOHANG);
    MUST(kill(pid, SIGCONT));
    WAITID_WITHIN("parent", P_PID, pid, WCONTINUED, LIMIT_MS);
    await_process(pid, "S");
    say("state", "%c", task_state(pid));
}
