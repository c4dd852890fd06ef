/*
 * 03-first-exit-timer -- an interval timer belongs to the process: it fires after the first thread is gone
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
    struct itimerval timer = {{0, 0}, {0, 300000}};
    thread(other);
    await(0);
    shared->value[0] = now_ms();
    MUST(setitimer(ITIMER_REAL, &timer, NULL));
    thread_exit(3);
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await_exited(pid, pid);
    WAIT_WITHIN("end", pid, 0, LIMIT_MS);
    say("in-time", "%s", yes(now_ms() - shared->value[0] >= 299));
}
