/*
 * 16-autowait-outside -- a tracer from outside ignores SIGCHLD and its tracee dies: who reaps it?
 * guest: libc=musl
 *
 * In mainline nobody can until the tracer waits or dies.  Patch 22: a tracer that ignores SIGCHLD is detached by itself.
 */
#include "scenario.h"

static int child(void)
{
    await(1);
    return 7;
}

static int debugger(void)
{
    signal(SIGCHLD, SIG_IGN);
    seize(shared->value[0], 0);
    post(1);
    await(2);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("C", child);
    pid_t tracer = spawn("D", debugger);
    await_exited(pid, pid);
    WAIT_WITHIN("parent", pid, 0, QUIET_MS);
    say("state", "%c", task_state(pid));
    post(2);
    WAIT("tracer", tracer, 0);
    WAIT_WITHIN("parent-after-tracer", pid, 0, LIMIT_MS);
}
