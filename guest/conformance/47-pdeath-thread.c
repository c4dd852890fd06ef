/*
 * 47-pdeath-thread -- the parent-death signal comes when the thread that forked exits, though the process lives on
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    mask(SIG_BLOCK, SIGUSR1);
    pid_t parent = getppid();
    MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
    post(0);
    MUST(sigwaitinfo(&set, &info));
    say("signal", "%s code %d from %s", signal_name(info.si_signo), info.si_code, who(info.si_pid));
    say("same-parent", "%s", yes(getppid() == parent));
    return 0;
}

static int other(void)
{
    shared->value[0] = spawn("C", child);
    await(1);
    return 0;
}

static int process(void)
{
    pid_t tid = thread(other);
    await(0);
    post(1);
    await_exited(getpid(), tid);
    WAIT("child", shared->value[0], 0);
    return 0;
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
