/*
 * 80-exec-200-threads -- two hundred threads call exec at once: one image runs
 * guest: libc=musl
 */
#include "scenario.h"

#define THREADS 200

static int execer(void)
{
    post(2);
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static int process(void)
{
    for (int i = 0; i < THREADS; i++)
        thread(execer);
    await_count(2, THREADS);
    post(3);
    await(0);
    exec_self("post", 1, 6);
    return 1;
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    await(3);
    post(0);
    WAIT("process", pid, 0);
    say("images", "%d", posted(1));
    say_sigchlds("sigchld", 1);
    WAIT("then", -1, WNOHANG);
}
