/*
 * 32-nsinit-parent -- signals to the init of a pid namespace from its parent namespace: only SIGKILL and SIGSTOP have their effect
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    for (int i = 0; i < 2; i++) {
        await_count(0, i + 1);
        post(1);
    }
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    say("term", "%s", result(kill(pid, SIGTERM)));
    say("segv", "%s", result(kill(pid, SIGSEGV)));
    post(0);
    await(1);
    say("survives", "yes");
    say("stop", "%s", result(kill(pid, SIGSTOP)));
    WAITID("stopped", P_PID, pid, WSTOPPED);
    say("state", "%c", task_state(pid));
    say("cont", "%s", result(kill(pid, SIGCONT)));
    WAITID("continued", P_PID, pid, WCONTINUED);
    post(0);
    await_count(1, 2);
    say("kill", "%s", result(kill(pid, SIGKILL)));
    WAITID("end", P_PID, pid, WEXITED);
}
