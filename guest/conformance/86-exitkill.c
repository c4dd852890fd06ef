/*
 * 86-exitkill -- PTRACE_O_EXITKILL: the tracer dies, and its tracees with it, even one thread of a process is enough
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    post(0);
    sleep_for_ever();
}

static int process(void)
{
    shared->value[0] = thread(other);
    await(0);
    post(1);
    sleep_for_ever();
}

static int stopped(void)
{
    post(1);
    sleep_for_ever();
}

static int debugger(void)
{
    seize(shared->value[0], PTRACE_O_EXITKILL);
    seize(shared->value[1], PTRACE_O_EXITKILL);
    seize(shared->value[2], 0);
    MUST(trace(PTRACE_INTERRUPT, shared->value[1], 0, 0));
    TRACE_WAIT("stopped", shared->value[1]);
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(1);
    shared->value[1] = spawn("C", stopped);
    shared->value[2] = spawn("E", stopped);
    await_count(1, 3);
    WAIT("debugger", spawn("D", debugger), 0);
    WAIT_WITHIN("thread-traced", pid, 0, LIMIT_MS);
    WAIT_WITHIN("in-trap", shared->value[1], 0, LIMIT_MS);
    WAIT_WITHIN("without-option", shared->value[2], 0, 50);
}
