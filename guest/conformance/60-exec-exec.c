/*
 * 60-exec-exec -- three threads exec at once: one image runs, and the others leave no trace
 * guest: libc=musl
 */
#include "scenario.h"

static int execer(void)
{
    post(2);
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static int process(void)
{
    thread(execer);
    thread(execer);
    post(2);
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static void scenario(void)
{
    watch_sigchld();
    for (int i = 0; i < 5; i++) {
        shared->flag[0] = shared->flag[1] = shared->flag[2] = 0;
        pid_t pid = spawn("P", process);
        await_count(2, 3);
        post(0);
        within(LIMIT_MS, sigchld_count);
        WAIT("process", pid, 0);
        say("images", "%d", posted(1));
        say_sigchlds("sigchld", 1);
    }
}
