/*
 * 102-injected-orphan -- a process put into a pid namespace from outside loses its parent: who adopts it, and what if the init dies
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    post(0);
    await(1);
    say("init-has-children", "%s", yes(waitpid(-1, NULL, WNOHANG | __WALL) == 0));
    return 2;
}

static int injected(void)
{
    say("injected", "pid %d ppid %d", getpid(), getppid());
    post(2);
    sleep_for_ever();
}

static int joiner(void)
{
    int fd = MUST(syscall(SYS_pidfd_open, shared->value[0], 0));
    MUST(setns(fd, CLONE_NEWPID));
    shared->value[1] = spawn("X", injected);
    await(2);
    post(3);
    await(4);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn_init("I", init);
    await(0);
    pid_t outside = spawn("J", joiner);
    await(3);
    pid_t orphan = name_pid(shared->value[1], "X");
    post(4);
    WAIT("joiner", outside, 0);
    say("new-parent", "%s", who(parent_of(orphan)));
    post(1);
    await_exited(orphan, orphan);
    WAIT_WITHIN("init", pid, 0, 50);
    WAIT("orphan", orphan, 0);
    WAIT("init", pid, 0);
}
