/*
 * 55-wnowait-status -- the first thread exits with 3, the process is killed later: WNOWAIT, wait and SIGCHLD all say killed
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    post(0);
    sleep_for_ever();
}

static int process(void)
{
    thread(other);
    await(0);
    thread_exit(3);
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    await_exited(pid, pid);
    MUST(kill(pid, SIGTERM));
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld", 1);
    WAITID("wnowait", P_PID, pid, WEXITED | WNOWAIT);
    WAITID("wnowait-again", P_ALL, 0, WEXITED | WNOWAIT);
    WAIT("wait", pid, 0);
}
