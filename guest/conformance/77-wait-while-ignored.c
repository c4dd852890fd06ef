/*
 * 77-wait-while-ignored -- with SIGCHLD ignored, wait sleeps until the last child is gone and says ECHILD then
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(0);
    return 7;
}

static int late_child(void)
{
    await(1);
    return 8;
}

static int parent(void)
{
    signal(SIGCHLD, SIG_IGN);
    shared->value[0] = spawn("C", child);
    shared->value[1] = spawn("E", late_child);
    post(2);
    WAIT("wait", -1, 0);
    post(3);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", parent);
    await(2);
    post(0);
    must_come(kill(shared->value[0], 0) == -1);
    sleep_ms(50);
    say("returned-after-first", "%s", yes(posted(3)));
    post(1);
    await(3);
    say("last-gone", "%s", yes(kill(shared->value[1], 0) == -1));
    WAIT("parent", pid, 0);
}
