/*
 * 60-exec-exec -- three threads exec at once: one image runs, and the others leave no trace
 * guest: libc=musl
 */
#include "scenario.h"

static int execer(void)
{
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static int process(void)
{
    thread(execer);
    thread(execer);
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static void scenario(void)
{
    watch_sigchld();
    for (int i = 0; i < 5; i++) {
        shared->flag[0] = shared->flag[1] = 0;
        pid_t pid = spawn("P", process);
        sleep_ms(10);
        post(0);
        within(LIMIT_MS, sigchld_count);
        WAIT("process", pid, 0);
        say("images", "%d", posted(1));
        say_sigchlds("sigchld", 1);
    }
}
