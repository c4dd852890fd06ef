/*
 * 21-wstopped-zombie -- waiting only for stops of a process whose traced first thread is dead while another one lives
 * guest: libc=musl
 *
 * The process can still stop, so there is something to wait for (patch 19); mainline says ECHILD.
 */
#include "scenario.h"

static int other(void)
{
    await(2);
    return 5;
}

static int process(void)
{
    thread(other);
    await(1);
    thread_exit(3);
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    WAITID("stops-only", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("exits", P_PID, pid, WEXITED | WNOHANG);
    post(2);
    WAIT("process", pid, __WALL);
}
