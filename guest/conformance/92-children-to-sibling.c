/*
 * 92-children-to-sibling -- a thread exits: its children become those of another thread of the same process
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    await(1);
    say("getppid", "%s", who(getppid()));
    return 7;
}

static int other(void)
{
    shared->value[0] = spawn("C", child);
    post(0);
    await(2);
    return 0;
}

static int process(void)
{
    pid_t tid = thread(other);
    await(0);
    pid_t pid = shared->value[0];
    WAIT("not-mine", pid, WNOHANG | __WNOTHREAD);
    post(2);
    await_exited(getpid(), tid);
    WAIT("mine", pid, WNOHANG | __WNOTHREAD);
    post(1);
    WAIT("mine", pid, __WNOTHREAD);
    return 0;
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
