/*
 * 18-autowait-own -- a parent that ignores SIGCHLD traces its own child, which exits
 * guest: libc=musl
 *
 * Mainline makes an exception for tracees: the zombie stays.  Patch 22 makes none: the child reaps itself.
 */
#include "scenario.h"

static int child(void)
{
    await(1);
    return 7;
}

static int parent(void)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = spawn("C", child);
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    say("state", "%c", task_state(pid));
    WAIT("wait", pid, WNOHANG);
    return 0;
}

static void scenario(void)
{
    WAIT("parent", spawn("P", parent), 0);
}
