/*
 * 65-vfork-child-killed -- a vfork child is killed before it execs, or execs and is killed then: the parent goes on either way
 * guest: libc=musl
 */
#include "scenario.h"

static int process(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        shared->value[0] = gettid_raw();
        post(0);
        for (;;)
            syscall(SYS_pause);
    }
    name_pid(pid, "V");
    WAIT("killed-in-vfork", pid, 0);
    pid = vfork();
    if (pid == 0) {
        shared->value[0] = gettid_raw();
        exec_self("sleep", 1, 0);
        _exit(9);
    }
    name_pid(pid, "V");
    WAIT("after-exec", pid, WNOHANG);
    await(1);
    MUST(kill(pid, SIGKILL));
    WAIT("killed-after-exec", pid, 0);
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    await_process(pid, "D");
    say("parent-state", "%c", task_state(pid));
    MUST(kill(shared->value[0], SIGKILL));
    WAIT("parent", pid, 0);
}
