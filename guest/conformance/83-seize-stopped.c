/*
 * 83-seize-stopped -- PTRACE_SEIZE and PTRACE_ATTACH of a process that is stopped already
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
    TRACE_WAIT("seized", pid);
    resume(pid, 0);
    must_come(strchr("S", task_state(pid)));
    say("state-after-cont", "%c", task_state(pid));
    pid = shared->value[1];
    MUST(trace(PTRACE_ATTACH, pid, 0, 0));
    TRACE_WAIT("attached", pid);
    say("state", "%c", task_state(pid));
    say("detach", "%s", result(trace(PTRACE_DETACH, pid, 0, 0)));
    await_process(pid, "T");
    say("state-after-detach", "%c", task_state(pid));
    return 0;
}

static void scenario(void)
{
    for (int i = 0; i < 2; i++) {
        pid_t pid = shared->value[i] = spawn(i ? "E" : "C", child);
        await_count(0, i + 1);
        MUST(kill(pid, SIGSTOP));
        await_process(pid, "T");
    }
    WAIT("debugger", spawn("D", debugger), 0);
}
