/*
 * 46-wnothread -- a child of another thread, waited for with and without __WNOTHREAD
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    return 8;
}

static int other(void)
{
    shared->value[0] = spawn("C", child);
    post(0);
    sleep_for_ever();
}

static void scenario(void)
{
    thread(other);
    await(0);
    pid_t pid = shared->value[0];
    await_exited(pid, pid);
    WAIT("nothread", pid, __WNOTHREAD);
    WAIT("nothread-any", -1, __WNOTHREAD);
    WAIT("plain", pid, 0);
}
