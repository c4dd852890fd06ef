/*
 * 70-setns-dead -- joining a pid namespace for one's children, before and after its init has died
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    post(0);
    await(1);
    return 2;
}

static int member(void)
{
    say("member", "pid %d ppid %d", getpid(), getppid());
    return 5;
}

static int joiner(void)
{
    int fd = MUST(syscall(SYS_pidfd_open, shared->value[0], 0));
    say("setns", "%s", result(setns(fd, CLONE_NEWPID)));
    say("still-outside", "%s", yes(getpid() > 2));
    WAIT("child", spawn("X", member), 0);
    post(2);
    await(3);
    say("fork-after", "%s", result(fork()));
    say("setns-after", "%s", result(setns(fd, CLONE_NEWPID)));
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn_init("I", init);
    await(0);
    pid_t outside = spawn("J", joiner);
    await(2);
    post(1);
    WAIT("init", pid, 0);
    post(3);
    WAIT("joiner", outside, 0);
}
