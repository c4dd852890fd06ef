/*
 * 105-pdeath-thread-cred -- a thread becomes another user after it has forked a child that stays root, and exits
 * guest: needs=root libc=musl
 *
 * As 05, with a thread for the parent: the process goes on.  The check that mainline makes is of the thread's credentials.
 */
#include "scenario.h"

static int child(void)
{
    siginfo_t info = {0};
    sigset_t set;
    struct timespec limit = {0, QUIET_MS * 1000000};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    mask(SIG_BLOCK, SIGUSR1);
    pid_t parent = getppid();
    MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
    post(0);
    await(2);
    int got = sigtimedwait(&set, &info, &limit);
    say("signal", "%s", got == -1 ? errno_name(errno) : signal_name(got));
    if (got > 0)
        say("info", "code %d pid %s uid %d", info.si_code, who(info.si_pid), info.si_uid);
    say("same-parent", "%s", yes(getppid() == parent));
    return 0;
}

static int other(void)
{
    shared->value[0] = spawn("C", child);
    await(0);
    MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
    return 0;
}

static int process(void)
{
    pid_t tid = thread(other);
    await_exited(getpid(), tid);
    post(2);
    WAIT("child", shared->value[0], 0);
    return 0;
}

static void scenario(void)
{
    need_root();
    WAIT("process", spawn("P", process), 0);
}
