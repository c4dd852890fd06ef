/*
 * 26-exec-trace-order -- what a tracer of all threads sees when a thread that is not the first one execs
 * guest: libc=musl
 */
#include "scenario.h"

static int sleeper(void)
{
    post(0);
    sleep_for_ever();
}

static int execer(void)
{
    post(0);
    await(1);
    MUST(exec_self("exit", 6, 0));
    return 1;
}

static int process(void)
{
    shared->value[0] = thread(sleeper);
    shared->value[1] = thread(execer);
    post(2);
    sleep_for_ever();
}

static void scenario(void)
{
    const unsigned long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
    pid_t pid = spawn("P", process);
    await_count(0, 2);
    await(2);
    pid_t idle = name_pid(shared->value[0], "T1"), busy = name_pid(shared->value[1], "T2");
    seize(pid, options);
    seize(idle, options);
    seize(busy, options);
    post(1);
    TRACE_WAIT("first-thread", pid);
    TRACE_WAIT("sleeper", idle);
    say("nothing-else", "%s", yes(waitpid(-1, NULL, WNOHANG | __WALL) == 0));
    resume(pid, 0);
    resume(idle, 0);
    TRACE_WAIT("sleeper", idle);
    TRACE_WAIT("exec", -1);
    say("exec-message", "%s", who(event_message(pid)));
    say("old-tid", "%c", thread_state(pid, busy));
    resume(pid, 0);
    TRACE_WAIT("exit", -1);
    say("exit-message", "%s", describe(event_message(pid)));
    resume(pid, 0);
    TRACE_WAIT("end", -1);
    TRACE_WAIT("then", -1);
}
