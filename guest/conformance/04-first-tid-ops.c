/*
 * 04-first-tid-ops -- calls on the tid of a first thread that has exited while the process lives
 * guest: libc=musl
 *
 * Mainline acts on the corpse: signals to it are lost, its affinity can be set.  Without leaders there is no such thread.
 */
#include "scenario.h"

static int other(void)
{
    mask(SIG_BLOCK, SIGUSR1);
    post(0);
    await(1);
    sigset_t pending;
    sigpending(&pending);
    say("pending-in-other", "%s", yes(sigismember(&pending, SIGUSR1)));
    return 5;
}

static int process(void)
{
    handle(SIGUSR1, SIG_DFL, 0);
    mask(SIG_BLOCK, SIGUSR1);
    thread(other);
    await(0);
    thread_exit(3);
}

static void scenario(void)
{
    unsigned long cpus[16] = {1};
    pid_t pid = spawn("P", process);
    await(0);
    await_exited(pid, pid);
    say("tgkill-0", "%s", result(syscall(SYS_tgkill, pid, pid, 0)));
    say("tgkill-usr1", "%s", result(syscall(SYS_tgkill, pid, pid, SIGUSR1)));
    say("tkill-0", "%s", result(syscall(SYS_tkill, pid, 0)));
    say("seize", "%s", result(trace(PTRACE_SEIZE, pid, 0, 0)));
    say("attach", "%s", result(trace(PTRACE_ATTACH, pid, 0, 0)));
    say("sched-setaffinity", "%s", result(syscall(SYS_sched_setaffinity, pid, sizeof cpus, cpus)));
    say("kill-0", "%s", result(kill(pid, 0)));
    post(1);
    WAIT("end", pid, 0);
}
