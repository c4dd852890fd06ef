/*
 * 100-first-traced-exec -- debuggers from outside trace the dead first thread and the thread that execs
 * guest: libc=musl
 *
 * The first thread has been collected without leaders, and disappears silently in mainline; the exec is reported under the number of
 * the process with the old tid as message.
 */
#include "scenario.h"

static int other(void)
{
    await(2);
    MUST(exec_self("exit", 6, 0));
    return 1;
}

static int process(void)
{
    shared->value[1] = thread(other);
    post(0);
    await(1);
    thread_exit(3);
}

static int debugger(void)
{
    pid_t pid = shared->value[0], tid = shared->value[1];
    seize(pid, PTRACE_O_TRACEEXEC);
    seize(tid, PTRACE_O_TRACEEXEC);
    post(1);
    await_exited(pid, pid);
    WAIT("first-thread", pid, WNOHANG | __WALL);
    post(2);
    TRACE_WAIT("exec", -1);
    say("message", "%s", who((pid_t)event_message(pid)));
    WAIT("old-tid", tid, WNOHANG | __WALL);
    resume(pid, 0);
    TRACE_WAIT("end", -1);
    TRACE_WAIT("then", -1);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("P", process);
    await(0);
    name_pid(shared->value[1], "T");
    WAIT("debugger", spawn("D", debugger), 0);
    WAIT("process", pid, 0);
}
