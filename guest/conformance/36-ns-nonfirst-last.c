/*
 * 36-ns-nonfirst-last -- the first thread of a namespace's init exits, later another thread, the last one, with children alive
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 5;
}

static int init(void)
{
    for (int i = 0; i < 3; i++)
        FORK({
            post(0);
            sleep_for_ever();
        });
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await_count(0, 3);
    pid_t child = child_of(pid);
    await_exited(pid, pid);
    WAIT("before", pid, WNOHANG);
    say("child-before", "%c", task_state(child));
    post(1);
    WAIT("after", pid, 0);
    say("child-after", "%c", task_state(child));
}
