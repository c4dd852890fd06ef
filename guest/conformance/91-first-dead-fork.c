/*
 * 91-first-dead-fork -- a thread forks after the first one is gone: parent, wait, and the child's own first thread
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    say("getppid", "%s", who(getppid()));
    say("tid-is-pid", "%s", yes(gettid_raw() == getpid()));
    return 7;
}

static int other(void)
{
    await_exited(getpid(), getpid());
    pid_t pid = spawn("C", child);
    WAIT("child", pid, 0);
    WAIT("then", -1, WNOHANG);
    syscall(SYS_exit_group, 6);
    return 1;
}

static int process(void)
{
    name_pid(getpid(), "P");
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
