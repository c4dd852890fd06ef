/*
 * 103-parent-dies-traced-zombie -- a dead child is held by a debugger from outside when its parent dies; then the debugger reaps
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(0);
    return 7;
}

static int parent(void)
{
    shared->value[0] = spawn("C", child);
    post(1);
    await(2);
    return 3;
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, 0);
    post(0);
    await_exited(pid, pid);
    post(3);
    await(4);
    TRACE_WAIT("debugger", pid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", parent);
    await(1);
    pid_t tracer = spawn("D", debugger);
    await(3);
    post(2);
    WAIT("parent", pid, 0);
    pid_t orphan = shared->value[0];
    say("new-parent", "%s", who(parent_of(orphan)));
    WAIT("adopter", orphan, WNOHANG);
    post(4);
    WAIT("tracer", tracer, 0);
    WAIT("adopter", orphan, WNOHANG);
}
