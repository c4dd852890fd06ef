/*
 * 67-exit-completes-stop -- a group stop waits for one thread, which exits instead of stopping: its exit completes the stop
 * guest: libc=musl
 *
 * The thread is held in PTRACE_EVENT_EXIT by its tracer while the others stop.
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
    sleep_for_ever();
}

static int debugger(void)
{
    pid_t tid = shared->value[0];
    seize(tid, PTRACE_O_TRACEEXIT);
    post(1);
    TRACE_WAIT("tracer", tid);
    post(2);
    await(3);
    resume(tid, 0);
    TRACE_WAIT("tracer", tid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    name_pid(shared->value[0], "T");
    watch_sigchld();
    pid_t tracer = spawn("D", debugger);
    await(2);
    MUST(kill(pid, SIGSTOP));
    await_thread(pid, pid, "T");
    WAITID("before", P_PID, pid, WSTOPPED | WNOHANG);
    say_sigchlds("sigchld-before", 0);
    handle(SIGCHLD, SIG_DFL, 0);
    post(3);
    WAIT("debugger", tracer, 0);
    WAITID_WITHIN("after", P_PID, pid, WSTOPPED, LIMIT_MS);
    MUST(kill(pid, SIGCONT));
    WAITID_WITHIN("continued", P_PID, pid, WCONTINUED, LIMIT_MS);
}
