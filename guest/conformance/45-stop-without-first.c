/*
 * 45-stop-without-first -- job control of a process whose first thread is gone
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
    MUST(kill(pid, SIGSTOP));
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-stop", 1);
    WAITID("stopped", P_PID, pid, WSTOPPED | WNOHANG);
    MUST(kill(pid, SIGCONT));
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-continue", 1);
    WAITID("continued", P_PID, pid, WCONTINUED | WNOHANG);
    MUST(kill(pid, SIGKILL));
    WAITID("end", P_PID, pid, WEXITED);
}
