/*
 * 109-nsinit-killed-while-emptying -- the init of a namespace has exited and waits for a process held by a debugger: kill it?
 * guest: needs=root libc=musl
 *
 * It is dead to the world in both models, whether asleep in the kernel or a zombie: its exit code stays what it was.
 */
#include "scenario.h"

static int init(void)
{
    FORK({
        post(0);
        sleep_for_ever();
    });
    await(1);
    return 11;
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    seize(pid, 0);
    post(1);
    await(2);
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(0);
    pid_t member = shared->value[0] = name_pid(child_of(pid), "G");
    pid_t tracer = spawn("D", debugger);
    await_exited(member, member);
    sleep_ms(20);
    say("kill", "%s", result(kill(pid, SIGKILL)));
    WAIT_WITHIN("init", pid, 0, 50);
    say("new-parent-of-member", "%s", who(parent_of(member)));
    post(2);
    WAIT("debugger", tracer, 0);
    WAITID_WITHIN("init", P_PID, pid, WEXITED, LIMIT_MS);
    say("member", "%c", task_state(member));
}
