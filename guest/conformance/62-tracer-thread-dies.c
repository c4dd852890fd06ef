/*
 * 62-tracer-thread-dies -- a tracer is a thread: when it exits, its dead tracee is let go, though its process lives on
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 4;
}

static int process(void)
{
    shared->value[0] = thread(other);
    post(0);
    await(4);
    return 6;
}

static int tracer(void)
{
    seize(shared->value[0], 0);
    post(1);
    await(2);
    return 0;
}

static int debugger(void)
{
    pid_t tid = shared->value[0], pid = shared->value[1];
    thread(tracer);
    await(1);
    await_exited(pid, tid);
    say("state", "%c", thread_state(pid, tid));
    WAIT("other-thread-nothread", tid, WNOHANG | __WALL | __WNOTHREAD);
    WAITID("peek", P_PID, tid, WEXITED | WNOWAIT | WNOHANG | __WALL);
    post(2);
    must_come(thread_state(pid, tid) == '?');
    say("state-after", "%c", thread_state(pid, tid));
    WAIT("after", tid, WNOHANG | __WALL);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[1] = spawn("P", process);
    await(0);
    name_pid(shared->value[0], "T");
    WAIT("debugger", spawn("D", debugger), 0);
    post(4);
    WAIT("process", pid, 0);
}
