/*
 * 108-autowait-late -- a tracer begins to ignore SIGCHLD when its tracee is dead already: too late, it has to reap
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(1);
    return 7;
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    signal(SIGCHLD, SIG_IGN);
    post(3);
    await(2);
    WAIT("tracer", pid, WNOHANG);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("C", child);
    pid_t tracer = spawn("D", debugger);
    await(3);
    WAIT("parent", pid, WNOHANG);
    post(2);
    WAIT("debugger", tracer, 0);
    WAIT("parent", pid, 0);
}
