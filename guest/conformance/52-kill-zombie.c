/*
 * 52-kill-zombie -- signals to a process that is dead and unreaped succeed and do nothing
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    setpgid(0, 0);
    return 7;
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    await_exited(pid, pid);
    say("kill-0", "%s", result(kill(pid, 0)));
    say("kill-9", "%s", result(kill(pid, SIGKILL)));
    say("kill-group-0", "%s", result(kill(-pid, 0)));
    say("state", "%c", task_state(pid));
    WAIT("end", pid, 0);
    say("kill-0-reaped", "%s", result(kill(pid, 0)));
    say("kill-group-reaped", "%s", result(kill(-pid, 0)));
}
