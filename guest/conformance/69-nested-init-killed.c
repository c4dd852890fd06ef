/*
 * 69-nested-init-killed -- the init of a namespace is killed: everything below it dies, the inits of inner namespaces included
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int sleeper(void)
{
    post(0);
    sleep_for_ever();
}

static int inner(void)
{
    for (int i = 1; i < 30; i++)
        signal(i, SIG_IGN);
    spawn("S", sleeper);
    post(0);
    sleep_for_ever();
}

static int middle(void)
{
    spawn_init("inner", inner);
    post(0);
    sleep_for_ever();
}

static int outer(void)
{
    pid_t pid = spawn_init("middle", middle);
    say("middle", "%s", describe(reap(pid)));
    WAIT("then", -1, WNOHANG);
    return 4;
}

static void scenario(void)
{
    pid_t pid = spawn_init("outer", outer);
    await_count(0, 3);
    pid_t second = child_of(pid), third = child_of(second), fourth = child_of(third);
    say("chain", "%s", yes(second && third && fourth));
    MUST(kill(second, SIGKILL));
    WAIT("outer", pid, 0);
    say("inner-state", "%c", task_state(third));
    say("sleeper-state", "%c", task_state(fourth));
}
