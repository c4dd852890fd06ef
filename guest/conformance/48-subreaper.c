/*
 * 48-subreaper -- a grandchild whose parent exits goes to the nearest subreaper
 * guest: libc=musl
 */
#include "scenario.h"

static int grandchild(void)
{
    post(0);
    pid_t parent = getppid();
    post(1);
    must_come(getppid() != parent);
    await(2);
    say("new-parent", "%s", who(getppid()));
    return 2;
}

static int child(void)
{
    spawn("G", grandchild);
    await(1);
    return 1;
}

static int inner(void)
{
    int mine = 1;
    MUST(prctl(PR_GET_CHILD_SUBREAPER, &mine, 0, 0, 0));
    say("inherited", "%d", mine);
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    pid_t pid = spawn("C", child);
    WAIT("child", pid, 0);
    post(2);
    WAIT("grandchild", -1, 0);
    WAIT("then", -1, 0);
    return 0;
}

static void scenario(void)
{
    WAIT("inner", spawn("S", inner), 0);
    WAIT("then-outer", -1, WNOHANG);
}
