/*
 * 50-seize-listen -- PTRACE_LISTEN: the tracee stays in its group stop without being stopped for the tracer
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    await(0);
    seize(pid, 0);
    MUST(kill(pid, SIGSTOP));
    TRACE_WAIT("delivery", pid);
    say("listen-too-early", "%s", result(trace(PTRACE_LISTEN, pid, 0, 0)));
    resume(pid, SIGSTOP);
    TRACE_WAIT("group-stop", pid);
    say("listen", "%s", result(trace(PTRACE_LISTEN, pid, 0, 0)));
    say("cont", "%s", result(trace(PTRACE_CONT, pid, 0, 0)));
    say("listen-again", "%s", result(trace(PTRACE_LISTEN, pid, 0, 0)));
    say("interrupt", "%s", result(trace(PTRACE_INTERRUPT, pid, 0, 0)));
    TRACE_WAIT("interrupted", pid);
    say("listen", "%s", result(trace(PTRACE_LISTEN, pid, 0, 0)));
    MUST(kill(pid, SIGCONT));
    TRACE_WAIT("continued", pid);
    resume(pid, 0);
    TRACE_WAIT("sigcont", pid);
    resume(pid, SIGCONT);
    await_process(pid, "S");
    say("state", "%c", task_state(pid));
}
