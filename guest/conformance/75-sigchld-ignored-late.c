/*
 * 75-sigchld-ignored-late -- SIGCHLD is set to be ignored when a zombie is there already, and set back before another child exits
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    return 7;
}

static int late_child(void)
{
    await(0);
    return 8;
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    await_exited(pid, pid);
    signal(SIGCHLD, SIG_IGN);
    say("zombie-stays", "%c", task_state(pid));
    WAIT("zombie", pid, 0);
    pid_t late = spawn("E", late_child);
    signal(SIGCHLD, SIG_DFL);
    post(0);
    await_exited(late, late);
    WAIT("set-back", late, WNOHANG);
    shared->flag[0] = 0;
    late = spawn("F", late_child);
    signal(SIGCHLD, SIG_IGN);
    post(0);
    must_come(kill(late, 0) == -1);
    WAIT("ignored", late, WNOHANG);
}
