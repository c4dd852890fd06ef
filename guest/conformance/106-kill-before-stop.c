/*
 * 106-kill-before-stop -- SIGKILL while a group stop, and a SIGCONT after it, wait for a thread in vfork
 * guest: libc=musl
 *
 * A fatal signal clears both: no stop and no continuation is reported after it.
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
    sleep_for_ever();
}

static int process(void)
{
    thread(other);
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    MUST(kill(pid, SIGSTOP));
    await_thread(pid, pid, "T");
    MUST(kill(pid, SIGCONT));
    MUST(kill(pid, SIGKILL));
    WAITID("report", P_PID, pid, WEXITED | WSTOPPED | WCONTINUED | WNOWAIT);
    WAITID("stops", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("end", P_PID, pid, WEXITED);
    post(1);
}
