/*
 * 14-exec-vs-corpse -- exec while a traced sibling is dead and its tracer has not reaped it
 * guest: libc=musl
 *
 * Mainline's exec sleeps until the tracer reaps, with the lock held that the tracer may need.  Without leaders exec waits for the
 * exit of the siblings only (2.8); the report of the whole process still waits for the corpse.  The corpse is
 * reported with the exit code of the process if that has one by then.
 */
#include "scenario.h"

static int victim(void)
{
    await(1);
    return 4;
}

static int process(void)
{
    shared->value[0] = thread(victim);
    post(0);
    await(2);
    MUST(exec_self("post", 3, 6));
    return 1;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    pid_t tid = name_pid(shared->value[0], "T");
    seize(tid, 0);
    post(1);
    await_exited(pid, tid);
    post(2);
    say("new-image-runs", "%s", yes(within(QUIET_MS, posted(3))));
    WAIT("process", pid, WNOHANG);
    WAIT("corpse", tid, __WALL);
    say("new-image-has-run", "%s", yes(within(LIMIT_MS, posted(3))));
    WAIT("process", pid, 0);
}
