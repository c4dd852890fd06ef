/*
 * 93-clone-parent -- CLONE_PARENT makes a sibling, with the exit signal of the caller
 * guest: libc=musl
 */
#include "scenario.h"

static int maker(void)
{
    pid_t pid = raw_fork(CLONE_PARENT | SIGUSR1, NULL, NULL);
    if (pid == 0) {
        say("getppid", "%s", who(getppid()));
        post(0);
        await(1);
        _exit(5);
    }
    name_pid(pid, "S");
    shared->value[0] = pid;
    await(0);
    WAIT("maker", pid, WNOHANG | __WALL);
    return 3;
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("M", maker);
    within(LIMIT_MS, sigchld_count);
    WAIT("maker-end", pid, 0);
    say_sigchlds("sigchld", 1);
    post(1);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-sibling", 1);
    WAIT("sibling", shared->value[0], 0);
}
