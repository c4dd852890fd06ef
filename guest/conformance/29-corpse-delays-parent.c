/*
 * 29-corpse-delays-parent -- the report of a process waits until its dead traced threads have been reaped by their tracer
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
    await(2);
    _exit(9);
}

static int debugger(void)
{
    pid_t tid = shared->value[0];
    seize(tid, 0);
    post(2);
    await(3);
    TRACE_WAIT("tracer", tid);
    return 0;
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    await(1);
    pid_t tid = name_pid(shared->value[0], "T");
    pid_t tracer = spawn("D", debugger);
    await_exited(pid, tid);
    await_exited(pid, pid);
    WAIT_WITHIN("before", pid, 0, QUIET_MS);
    say_sigchlds("sigchld-before", 0);
    signal(SIGCHLD, SIG_DFL);
    post(3);
    WAIT("debugger", tracer, 0);
    WAITID("after", P_PID, pid, WEXITED);
}
