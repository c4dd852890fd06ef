/*
 * 49-gstop-two-parents -- a debugger from outside injects SIGSTOP; the real parent sees the process stop
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    sleep_for_ever();
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, 0);
    MUST(kill(pid, SIGUSR1));
    TRACE_WAIT("tracer-delivery", pid);
    resume(pid, SIGSTOP);
    TRACE_WAIT("tracer-stop", pid);
    post(1);
    await(2);
    return 0;
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = shared->value[0] = spawn("C", child);
    await(0);
    pid_t tracer = spawn("D", debugger);
    await(1);
    say_sigchlds("sigchld", 1);
    WAITID("parent", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("parent-again", P_PID, pid, WSTOPPED | WNOHANG);
    signal(SIGCHLD, SIG_DFL);
    post(2);
    WAIT("tracer", tracer, 0);
    await_process(pid, "T");
    say("state-after-tracer", "%c", task_state(pid));
}
