/*
 * 87-traceme-exec -- a tracee without PTRACE_O_TRACEEXEC gets a SIGTRAP after its exec; a seized one does not
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    if (!shared->value[0])
        MUST(trace(PTRACE_TRACEME, 0, 0, 0));
    post(0);
    await(1);
    MUST(exec_self("exit", 6, 0));
    return 1;
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    post(1);
    TRACE_WAIT("traceme", pid);
    resume(pid, 0);
    TRACE_WAIT("traceme", pid);
    shared->flag[0] = shared->flag[1] = 0;
    shared->value[0] = 1;
    pid = spawn("C", child);
    await(0);
    seize(pid, 0);
    post(1);
    TRACE_WAIT("seize", pid);
}
