/*
 * 96-pidfd-exec -- a pidfd names the process across the exec of a thread that is not the first, and after it
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(0);
    MUST(exec_self("hold", 1, 2));
    return 1;
}

static int process(void)
{
    thread(other);
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    struct pollfd poll_fd = {MUST(syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0};
    post(0);
    await(1);
    say("poll-after-exec", "%d", poll(&poll_fd, 1, 50));
    say("signal-0", "%s", result(syscall(SYS_pidfd_send_signal, poll_fd.fd, 0, NULL, 0)));
    post(2);
    say("poll-exited", "%d", poll(&poll_fd, 1, LIMIT_MS));
    say("signal-zombie", "%s", result(syscall(SYS_pidfd_send_signal, poll_fd.fd, 0, NULL, 0)));
    WAITID("wait", P_PIDFD, poll_fd.fd, WEXITED);
    say("signal-reaped", "%s", result(syscall(SYS_pidfd_send_signal, poll_fd.fd, 0, NULL, 0)));
    WAITID("wait-again", P_PIDFD, poll_fd.fd, WEXITED);
    say("poll-reaped", "%d", poll(&poll_fd, 1, 0));
}
