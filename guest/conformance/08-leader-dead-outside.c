/*
 * 08-leader-dead-outside -- a debugger from outside traces a first thread that exits while another thread lives
 * guest: libc=musl
 *
 * Mainline sends SIGCHLD for something that cannot be collected yet, and a second one later.  Patches 15 to 17: the tracee
 * reports its own exit at once, and the process belongs to its parent alone.
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

static int debugger(void)
{
    pid_t pid = shared->value[0];
    watch_sigchld();
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-first-thread", 1);
    WAIT("tracer-first-thread", pid, WNOHANG | __WALL);
    WAIT("tracer-again", pid, WNOHANG | __WALL);
    post(2);
    within(QUIET_MS * 4, sigchld_count);
    say_sigchlds("sigchld-process", 0);
    WAIT("tracer-process", pid, WNOHANG | __WALL);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    shared->value[0] = pid;
    pid_t tracer = spawn("D", debugger);
    WAIT("tracer", tracer, 0);
    WAIT("parent", pid, 0);
}
