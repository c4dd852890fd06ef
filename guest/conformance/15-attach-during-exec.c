/*
 * 15-attach-during-exec -- somebody else attaches to a process whose exec waits for an unreaped traced sibling
 * guest: libc=musl
 *
 * In mainline the exec sleeps with cred_guard_mutex held, and PTRACE_SEIZE sleeps for that mutex.  Without leaders neither does.
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
    MUST(exec_self("hold", 3, 4));
    return 1;
}

static int debugger(void)
{
    shared->value[1] = trace(PTRACE_SEIZE, shared->value[2], 0, 0) == -1 ? errno : 0;
    post(5);
    await(6);
    return 0;
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
    shared->value[2] = pid;
    pid_t tracer = spawn("D", debugger);
    say("attach-returns", "%s", yes(within(QUIET_MS, posted(5))));
    WAIT("corpse", tid, __WALL);
    await(5);
    say("attach", "%s", shared->value[1] ? errno_name(shared->value[1]) : "ok");
    await(3);
    post(6);
    WAIT("tracer", tracer, 0);
    post(4);
    WAIT("process", pid, 0);
}
