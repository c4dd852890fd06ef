/*
 * 73-wait-arguments -- arguments that wait4 and waitid refuse, and what the odd ones mean
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(0);
    return 7;
}

static long raw_wait4(long pid, long flags)
{
    return syscall(SYS_wait4, pid, NULL, flags, NULL);
}

static long raw_waitid(int type, long id, void *info, int flags)
{
    return syscall(SYS_waitid, type, id, info, flags, NULL);
}

static void scenario(void)
{
    siginfo_t info;
    pid_t pid = spawn("C", child);
    say("wait4-wexited", "%s", result(raw_wait4(pid, WEXITED)));
    say("wait4-wnowait", "%s", result(raw_wait4(pid, WNOWAIT)));
    say("wait4-int-min", "%s", result(raw_wait4(INT_MIN, WNOHANG)));
    say("wait4-no-group", "%s", result(raw_wait4(-pid, WNOHANG)));
    say("wait4-own-group", "%ld", raw_wait4(0, WNOHANG));
    say("wait4-self", "%s", result(raw_wait4(getpid(), WNOHANG)));
    say("wait4-parent", "%s", result(raw_wait4(getppid(), WNOHANG)));
    say("waitid-type", "%s", result(raw_waitid(9, pid, &info, WEXITED)));
    say("waitid-nothing", "%s", result(raw_waitid(P_PID, pid, &info, WNOHANG)));
    say("waitid-unknown-flag", "%s", result(raw_waitid(P_PID, pid, &info, WEXITED | 0x100)));
    say("waitid-pid-0", "%s", result(raw_waitid(P_PID, 0, &info, WEXITED)));
    say("waitid-pid-minus-1", "%s", result(raw_waitid(P_PID, -1, &info, WEXITED)));
    say("waitid-group-minus-1", "%s", result(raw_waitid(P_PGID, -1, &info, WEXITED)));
    say("waitid-group-0", "%s", result(raw_waitid(P_PGID, 0, &info, WEXITED | WNOHANG)));
    say("waitid-pidfd-bad", "%s", result(raw_waitid(P_PIDFD, 99, &info, WEXITED)));
    say("waitid-pidfd-stdout", "%s", result(raw_waitid(P_PIDFD, 1, &info, WEXITED)));
    say("waitid-pidfd-minus-1", "%s", result(raw_waitid(P_PIDFD, -1, &info, WEXITED)));
    memset(&info, 0x55, sizeof info);
    say("waitid-none", "%s", result(raw_waitid(P_ALL, 0, &info, WEXITED | WNOHANG)));
    say("waitid-none-zeroes", "signo %d pid %d", info.si_signo, info.si_pid);
    post(0);
    say("waitid-no-info", "%s", result(raw_waitid(P_PID, pid, NULL, WEXITED)));
    say("waitid-gone", "%s", result(raw_waitid(P_PID, pid, NULL, WEXITED)));
}
