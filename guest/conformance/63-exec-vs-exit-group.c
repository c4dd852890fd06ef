/*
 * 63-exec-vs-exit-group -- one thread execs while another calls exit_group: one of the two wins, and nothing else happens
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
    await(1);
    await(0);
    _exit(7);
}

static void scenario(void)
{
    int defined = 0, reported = 0;
    watch_sigchld();
    for (int i = 0; i < 20; i++) {
        shared->flag[0] = shared->flag[1] = 0;
        sigchld_count = 0;
        pid_t pid = spawn("P", process);
        await(1);
        post(0);
        int status = reap(pid);
        within(LIMIT_MS, sigchld_count);
        defined += WIFEXITED(status) && (WEXITSTATUS(status) == 6 || WEXITSTATUS(status) == 7);
        reported += sigchld_count == 1 && sigchld_seen[0].si_status == WEXITSTATUS(status);
    }
    say("defined", "%d", defined);
    say("reported-once", "%d", reported);
}
