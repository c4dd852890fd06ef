/*
 * 19-wstopped-own-mt -- a parent traces the first thread of its own child; the stop of the process ends after that trap was reaped
 * guest: libc=musl
 *
 * Mainline hides the group stop of a traced child from its parent for good.  Patch 18 shows both.  The other thread is in vfork
 * while the first one stops, so that the stop completes later.
 */
#include "scenario.h"

static int other(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        post(0);
        await(1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    sleep_for_ever();
}

static int process(void)
{
    shared->value[0] = thread(other);
    await(0);
    post(2);
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(2);
    pid_t tid = name_pid(shared->value[0], "T");
    seize(pid, 0);
    MUST(kill(pid, SIGSTOP));
    TRACE_WAIT("delivery", pid);
    resume(pid, SIGSTOP);
    TRACE_WAIT("trap", pid);
    WAITID("before", P_PID, pid, WSTOPPED | WNOHANG);
    post(1);
    await_thread(pid, tid, "T");
    WAITID("after", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("again", P_PID, pid, WSTOPPED | WNOHANG);
}
