/*
 * 05-pdeath-noperm -- the parent-death signal when the dying parent has no permission to signal the child
 * guest: needs=root libc=musl
 *
 * Mainline checks the dying parent's credentials and loses the signal silently; patch 3 sends it always.
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
    must_come(getppid() != parent);
    await(2);
    say("new-parent", "%s", who(getppid()));
    int got = sigtimedwait(&set, &info, &limit);
    say("signal", "%s", got == -1 ? errno_name(errno) : signal_name(got));
    if (got > 0)
        say("info", "code %d pid %s uid %d", info.si_code, who(info.si_pid), info.si_uid);
    return 0;
}

static int process(void)
{
    spawn("C", child);
    await(0);
    if (shared->value[0])
        MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
    await(1);
    return 0;
}

static void round_of(long drop)
{
    shared->value[0] = drop;
    shared->flag[0] = shared->flag[1] = shared->flag[2] = 0;
    pid_t pid = spawn("P", process);
    post(1);
    WAIT("parent", pid, 0);
    post(2);
    WAIT("child", -1, 0);
}

static void scenario(void)
{
    need_root();
    say("round", "same credentials");
    round_of(0);
    say("round", "parent has become another user");
    round_of(1);
}
