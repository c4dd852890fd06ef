/*
 * 97-kill-in-event-exit -- a tracee is held in PTRACE_EVENT_EXIT with exit code 4, and then SIGKILL comes
 * guest: libc=musl
 *
 * A process that is exiting takes no more signals, so the exit goes on when the tracer says so.
 */
#include "scenario.h"

static int child(void)
{
    await(0);
    return 4;
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    seize(pid, PTRACE_O_TRACEEXIT);
    post(0);
    TRACE_WAIT("event", pid);
    say("message", "%s", describe(event_message(pid)));
    say("state", "%c", task_state(pid));
    MUST(kill(pid, SIGKILL));
    WAIT_WITHIN("after-kill", pid, __WALL, QUIET_MS);
    resume(pid, 0);
    TRACE_WAIT("end", pid);
}
