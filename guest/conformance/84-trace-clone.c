/*
 * 84-trace-clone -- PTRACE_O_TRACECLONE: a new thread is traced from its first instruction
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    return 4;
}

static int process(void)
{
    post(0);
    await(1);
    thread(other);
    await(2);
    return 6;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    seize(pid, PTRACE_O_TRACECLONE);
    post(1);
    TRACE_WAIT("parent", pid);
    pid_t tid = name_pid((pid_t)event_message(pid), "T");
    say("is-thread", "%s", yes(other_thread_of(pid) == tid));
    TRACE_WAIT("new-thread", tid);
    resume(pid, 0);
    resume(tid, 0);
    TRACE_WAIT("new-thread", tid);
    post(2);
    TRACE_WAIT("parent", pid);
}
