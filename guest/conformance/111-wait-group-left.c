/*
 * 111-wait-group-left -- the last child of a process group leaves it while its parent waits for the group
 * guest: libc=musl
 *
 * Mainline wakes nobody when a child changes its group: the parent sleeps on, for a group in which it has no child, until some
 * signal makes it look again.  Without leaders whoever could wait for a process by its old or its new ids looks again (2.6).
 */
#include "scenario.h"

static void on_signal(int number)
{
    (void)number;
}

static int leader(void)
{
    await(0);
    return 1;
}

static int member(void)
{
    await(2);
    MUST(setsid());
    post(3);
    await(7);
    return 7;
}

static int process(void)
{
    handle(SIGUSR1, on_signal, 0);
    pid_t group = spawn("G", leader);
    MUST(setpgid(group, group));
    pid_t child = spawn("M", member);
    MUST(setpgid(child, group));
    post(0);
    WAIT("leader", group, 0);
    post(1);
    WAIT("group", -group, 0);
    post(6);
    await(7);
    WAIT("member", child, 0);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(1);
    within(QUIET_MS, posted(6));
    say("asleep-before-setsid", "%s", yes(!posted(6)));
    post(2);
    await(3);
    within(QUIET_MS, posted(6));
    say("asleep-after-setsid", "%s", yes(!posted(6)));
    must_come((posted(6) || kill(pid, SIGUSR1) || posted(6)));
    post(7);
    WAIT("process", pid, 0);
}
