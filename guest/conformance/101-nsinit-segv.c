/*
 * 101-nsinit-segv -- the init of a pid namespace is not protected from its own faults
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int member(void)
{
    post(0);
    sleep_for_ever();
}

static int init(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    spawn("M", member);
    await(0);
    post(1);
    await(2);
    *(volatile int *)8 = 1;
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(1);
    pid_t child = child_of(pid);
    post(2);
    int status = reap(pid);
    say("init", "%s", WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : "not killed");
    say("member", "%c", task_state(child));
}
