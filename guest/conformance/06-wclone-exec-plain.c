/*
 * 06-wclone-exec-plain -- a clone child (exit signal not SIGCHLD) after its parent has exec'ed, waited for without __WCLONE
 * guest: libc=musl
 *
 * After the exec the child will send SIGCHLD.  Mainline's wait goes on to look at the number given to clone; patch 11 makes
 * the two agree.
 */
static void after_exec(const char *verb);
#define IMAGE(verb, first, second) after_exec(verb)
#include "scenario.h"

static void after_exec(const char *verb)
{
    if (strcmp(verb, "wait"))
        return;
    watch_sigchld();
    post(1);
    within(LIMIT_MS, sigchld_count > 0);
    say_sigchlds("sigchld", 1);
    WAIT("wait", -1, WNOHANG);
    _exit(0);
}

static int process(void)
{
    pid_t pid = MUST(raw_fork(SIGUSR1, NULL, NULL));
    if (pid == 0) {
        await(1);
        _exit(7);
    }
    name_pid(pid, "C");
    MUST(exec_self("wait", 0, 0));
    return 1;
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
