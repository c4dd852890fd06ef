/*
 * 02-first-exit-status -- first thread exits with 3, the last one later with 5: one report, with the last one's code
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 5;
}

static int process(void)
{
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    await_exited(pid, pid);
    WAIT("before", pid, WNOHANG);
    say_sigchlds("sigchld-before", 0);
    post(1);
    WAITID("after", P_PID, pid, WEXITED);
    say_sigchlds("sigchld-after", 1);
    WAIT("again", pid, WNOHANG);
}
