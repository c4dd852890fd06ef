/*
 * 42-si-pid-ns -- the sender's number in a siginfo is what the receiver's namespace calls it, 0 if it cannot see it
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    say("getppid", "%d", getppid());
    post(0);
    MUST(sigwaitinfo(&set, &info));
    say("from-parent-namespace", "%s code %d pid %d", signal_name(info.si_signo), info.si_code, info.si_pid);
    pid_t pid = FORK({
        say("child", "pid %d getppid %d", getpid(), getppid());
        MUST(kill(1, SIGUSR2));
    });
    MUST(sigwaitinfo(&set, &info));
    say("from-child", "%s code %d pid %d", signal_name(info.si_signo), info.si_code, info.si_pid);
    reap(pid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(0);
    MUST(kill(pid, SIGUSR1));
    WAIT("init", pid, 0);
}
