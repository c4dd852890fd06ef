/*
 * 64-exec-vs-sigkill -- a process is killed while one of its threads execs: killed, or the new image has run, nothing between
 * guest: libc=musl
 */
#include "scenario.h"

static int execer(void)
{
    post(1);
    await(0);
    exec_self("exit", 6, 0);
    return 5;
}

static int process(void)
{
    thread(execer);
    sleep_for_ever();
}

static void scenario(void)
{
    int defined = 0;
    for (int i = 0; i < 20; i++) {
        shared->flag[0] = shared->flag[1] = 0;
        pid_t pid = spawn("P", process);
        await(1);
        post(0);
        for (volatile int spin = 0; spin < i * 3000; spin++)
            ;
        kill(pid, SIGKILL);
        int status = reap(pid);
        defined += (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 6);
    }
    say("defined", "%d", defined);
    WAIT("left", -1, WNOHANG);
}
