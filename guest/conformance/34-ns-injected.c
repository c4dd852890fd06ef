/*
 * 34-ns-injected -- a process forked into a pid namespace from outside is dead and unreaped when the init exits
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    post(0);
    await(1);
    return 2;
}

static int injected(void)
{
    sleep_for_ever();
}

static int injector(void)
{
    int fd = MUST(syscall(SYS_pidfd_open, shared->value[0], 0));
    MUST(setns(fd, CLONE_NEWPID));
    pid_t pid = spawn("X", injected);
    shared->value[1] = pid;
    post(2);
    await(3);
    WAIT("injector", pid, 0);
    say("fork-after", "%s", result(fork()));
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(0);
    shared->value[0] = pid;
    pid_t outside = spawn("S", injector);
    await(2);
    say("injected-parent", "%s", who(parent_of(shared->value[1])));
    post(1);
    await_exited(shared->value[1], shared->value[1]);
    WAIT_WITHIN("init-before", pid, 0, QUIET_MS);
    post(3);
    WAIT("outside", outside, 0);
    WAIT("init-after", pid, 0);
}
