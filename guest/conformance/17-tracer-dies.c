/*
 * 17-tracer-dies -- a traced child is dead and unreaped; when its tracer dies, the real parent gets the report
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
    watch_sigchld();
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
    pid_t pid = shared->value[0] = spawn("C", child);
    pid_t tracer = spawn("D", debugger);
    await(3);
    await_exited(pid, pid);
    WAIT("parent", pid, WNOHANG);
    say("state", "%c", task_state(pid));
    post(2);
    WAIT("tracer", tracer, 0);
    WAITID("parent-after-tracer", P_PID, pid, WEXITED);
}
