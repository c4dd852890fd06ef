/*
 * 85-trace-forks -- PTRACE_O_TRACEFORK, TRACEVFORK and TRACEVFORKDONE: events, messages, and whose child the new process is
 * guest: libc=musl
 */
#include "scenario.h"

static int process(void)
{
    mask(SIG_BLOCK, SIGCHLD);
    post(0);
    await(1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(4);
    await(2);
    waitpid(pid, NULL, 0);
    pid = vfork();
    if (pid == 0)
        _exit(5);
    await(3);
    waitpid(pid, NULL, 0);
    return 6;
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
    post(1);
    TRACE_WAIT("parent", pid);
    pid_t child = name_pid((pid_t)event_message(pid), "C");
    TRACE_WAIT("child", child);
    say("child-of", "%s", who(parent_of(child)));
    resume(pid, 0);
    resume(child, 0);
    TRACE_WAIT("child", child);
    post(2);
    TRACE_WAIT("parent", pid);
    child = name_pid((pid_t)event_message(pid), "V");
    TRACE_WAIT("child", child);
    resume(pid, 0);
    resume(child, 0);
    TRACE_WAIT("child", child);
    TRACE_WAIT("parent", pid);
    say("message", "%s", who((pid_t)event_message(pid)));
    resume(pid, 0);
    post(3);
    TRACE_WAIT("parent", pid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("P", process);
    await(0);
    WAIT("debugger", spawn("D", debugger), 0);
    WAIT("process", pid, 0);
}
