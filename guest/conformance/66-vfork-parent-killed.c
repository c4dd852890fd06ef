/*
 * 66-vfork-parent-killed -- the parent is killed while its vfork child runs in its memory: it dies at once, the child lives on
 * guest: libc=musl
 */
#include "scenario.h"

static void on_signal(int number)
{
    post(4);
}

static int process(void)
{
    handle(SIGUSR1, on_signal, 0);
    pid_t pid = vfork();
    if (pid == 0) {
        shared->value[0] = gettid_raw();
        post(0);
        await(1);
        post(2);
        await(3);
        _exit(8);
    }
    return 3;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    pid_t child = name_pid(shared->value[0], "V");
    await_process(pid, "D");
    MUST(kill(pid, SIGUSR1));
    say("caught-meanwhile", "%s", yes(within(100, posted(4))));
    say("state", "%c", task_state(pid));
    MUST(kill(pid, SIGKILL));
    WAIT_WITHIN("after-kill", pid, 0, LIMIT_MS);
    post(1);
    await(2);
    say("child-lives", "yes");
    say("new-parent", "%s", who(parent_of(child)));
    post(3);
    WAIT("child", child, 0);
}
