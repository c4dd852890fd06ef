/*
 * 54-clone-basic -- which children wait sees: clone with another exit signal, clone with none, fork; no flag, __WCLONE, __WALL
 * guest: libc=musl
 */
#include "scenario.h"

static pid_t make(const char *name, unsigned long exit_signal)
{
    pid_t pid = MUST(raw_fork(exit_signal, NULL, NULL));
    if (pid == 0)
        _exit(1);
    name_pid(pid, name);
    await_exited(pid, pid);
    return pid;
}

static void scenario(void)
{
    signal(SIGUSR1, SIG_IGN);
    pid_t pid = make("usr1", SIGUSR1);
    WAIT("usr1-plain", pid, 0);
    WAIT("usr1-any", -1, 0);
    WAIT("usr1-wclone", pid, __WCLONE);
    pid = make("usr1", SIGUSR1);
    WAIT("usr1-wall", pid, __WALL);
    pid = make("none", 0);
    WAIT("none-plain", pid, 0);
    WAIT("none-wclone", pid, __WCLONE);
    pid = make("none", 0);
    WAIT("none-wall", -1, __WALL);
    pid = make("fork", SIGCHLD);
    WAIT("fork-wclone", pid, __WCLONE);
    WAIT("fork-plain", pid, 0);
    pid = make("fork", SIGCHLD);
    WAIT("fork-wall", pid, __WALL);
}
