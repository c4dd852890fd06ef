/*
 * 53-wait-tid -- waitpid with the tid of a thread that is not the first: nothing to wait for unless it is a tracee
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
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    pid_t tid = name_pid(shared->value[0], "T");
    WAIT("untraced", tid, WNOHANG);
    WAIT("untraced-wall", tid, WNOHANG | __WALL);
    WAIT("process", pid, WNOHANG);
    seize(tid, 0);
    WAIT("traced", tid, WNOHANG);
    MUST(trace(PTRACE_INTERRUPT, tid, 0, 0));
    WAIT_WITHIN("stopped", tid, 0, LIMIT_MS);
    resume(tid, 0);
    MUST(trace(PTRACE_INTERRUPT, tid, 0, 0));
    WAIT_WITHIN("stopped-wclone", tid, __WCLONE, LIMIT_MS);
    resume(tid, 0);
    post(1);
    await_exited(pid, tid);
    WAIT("exited", tid, 0);
    WAIT("gone", tid, __WALL);
}
