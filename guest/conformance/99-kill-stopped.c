/*
 * 99-kill-stopped -- fatal signals and a stopped process: SIGTERM waits for SIGCONT, SIGKILL does not
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    post(0);
    sleep_for_ever();
}

static int process(void)
{
    thread(other);
    await(0);
    post(1);
    sleep_for_ever();
}

static void scenario(void)
{
    for (int i = 0; i < 2; i++) {
        shared->flag[0] = shared->flag[1] = 0;
        pid_t pid = spawn("P", process);
        await(1);
        MUST(kill(pid, SIGSTOP));
        WAIT("stopped", pid, WUNTRACED);
        MUST(kill(pid, SIGTERM));
        WAIT_WITHIN("after-term", pid, 0, 50);
        MUST(kill(pid, i ? SIGKILL : SIGCONT));
        WAIT_WITHIN(i ? "after-kill" : "after-cont", pid, 0, LIMIT_MS);
    }
}
