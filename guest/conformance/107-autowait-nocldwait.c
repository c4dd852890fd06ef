/*
 * 107-autowait-nocldwait -- a tracer from outside has SA_NOCLDWAIT: it is told of the death, and the tracee does not wait for it
 * guest: libc=musl
 *
 * As 16, with a handler: patch 22 lets the parent have the child at once.
 */
#include "scenario.h"

static int child(void)
{
    await(1);
    return 7;
}

static int debugger(void)
{
    handle_info(SIGCHLD, on_sigchld, SA_NOCLDWAIT);
    seize(shared->value[0], 0);
    post(1);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("tracer-sigchld", 1);
    post(3);
    await(2);
    return 0;
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = shared->value[0] = spawn("C", child);
    pid_t tracer = spawn("D", debugger);
    await(3);
    await_exited(pid, pid);
    say_sigchlds("parent-sigchld", 0);
    WAIT("parent", pid, WNOHANG);
    signal(SIGCHLD, SIG_DFL);
    post(2);
    WAIT("tracer", tracer, 0);
    WAIT_WITHIN("parent-after-tracer", pid, 0, LIMIT_MS);
}
