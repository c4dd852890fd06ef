/*
 * 76-nocldwait -- SA_NOCLDWAIT with a handler: the signal comes, the zombie does not stay
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(0);
    return 7;
}

static void scenario(void)
{
    handle_info(SIGCHLD, on_sigchld, SA_NOCLDWAIT);
    pid_t pid = spawn("C", child);
    post(0);
    must_come(kill(pid, 0) == -1);
    say_sigchlds("sigchld", 1);
    WAIT("wait", pid, 0);
    shared->flag[0] = 0;
    pid = spawn("C", child);
    handle_info(SIGCHLD, on_sigchld, 0);
    post(0);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld-without-flag", 1);
    WAIT("wait-without-flag", pid, 0);
}
