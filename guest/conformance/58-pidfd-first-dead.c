/*
 * 58-pidfd-first-dead -- a pidfd of a process is readable when the process has exited, not when its first thread has
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
    await(0);
    thread_exit(3);
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    struct pollfd poll_before = {MUST(syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0};
    post(0);
    await_exited(pid, pid);
    say("poll-first-dead", "%d", poll(&poll_before, 1, QUIET_MS));
    int fd = syscall(SYS_pidfd_open, pid, 0);
    say("open-first-dead", "%s", result(fd));
    post(1);
    say("poll-exited", "%d", poll(&poll_before, 1, LIMIT_MS));
    WAITID("wait", P_PIDFD, fd >= 0 ? fd : poll_before.fd, WEXITED);
}
