/*
 * 09-leader-dead-parent -- a parent traces the first thread of its own child, which exits while another thread lives
 * guest: libc=musl
 *
 * The thread stands for the process: one report, when the process is over.  Mainline tells the parent twice (patches 15, 16).
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
    watch_sigchld();
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    within(QUIET_MS, sigchld_count);
    say_sigchlds("sigchld-first-thread", 0);
    WAIT("first-thread", pid, WNOHANG | __WALL);
    post(2);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-process", 1);
    WAIT("process", pid, WNOHANG | __WALL);
}
