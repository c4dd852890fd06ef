/*
 * 40-fork-dead-ns -- fork into a pid namespace whose init is gone
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int process(void)
{
    if (unshare(CLONE_NEWPID) == -1)
        skip("needs the right to make pid namespaces");
    pid_t pid = name_pid(MUST(fork()), "I");
    if (pid == 0)
        _exit(getpid());
    WAIT("init", pid, 0);
    say("fork", "%s", result(fork()));
    say("fork-again", "%s", result(fork()));
    say("vfork", "%s", result(raw_fork(CLONE_VFORK | SIGCHLD, NULL, NULL)));
    say("thread", "%s", result(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0)));
    return 0;
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
