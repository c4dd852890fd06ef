/*
 * 35-ns-own-corpse -- a thread of a namespace's init itself is dead, traced from outside and unreaped when init exits
 * guest: needs=root libc=musl
 *
 * Mainline's init sleeps in zap_pid_ns_processes until the tracer reaps its thread.  Patch 26: nothing inside init's own group
 * can hold it up; it is a zombie.
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 4;
}

static int init(void)
{
    thread(other);
    post(0);
    await(2);
    _exit(9);
}

static int debugger(void)
{
    pid_t tid = shared->value[0];
    seize(tid, 0);
    post(1);
    await(3);
    TRACE_WAIT("debugger", tid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(0);
    pid_t tid = shared->value[0] = name_pid(other_thread_of(pid), "T");
    pid_t tracer = spawn("D", debugger);
    await_exited(pid, tid);
    post(2);
    WAIT_WITHIN("init-before", pid, 0, QUIET_MS);
    say("init-state", "%c", task_state(pid));
    post(3);
    WAIT("tracer", tracer, 0);
    WAIT("init-after", pid, 0);
}
