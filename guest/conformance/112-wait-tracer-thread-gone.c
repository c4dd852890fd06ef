/*
 * 112-wait-tracer-thread-gone -- a thread waits for a tracee of its sibling, and the sibling detaches it, or ends
 * guest: libc=musl
 *
 * Nothing is left to wait for then.  Mainline wakes nobody; without leaders the waiter looks again and gets ECHILD.
 */
#include "scenario.h"

static void on_signal(int number)
{
    (void)number;
}

static int target(void)
{
    sleep_for_ever();
}

static int detaching(void)
{
    pid_t pid = shared->value[0];
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    WAIT("stop", pid, __WALL);
    post(1);
    await(2);
    MUST(ptrace(PTRACE_DETACH, pid, 0, 0));
    post(3);
    return 0;
}

static int ending(void)
{
    MUST(ptrace(PTRACE_SEIZE, shared->value[0], 0, 0));
    post(11);
    await(12);
    return 0;
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    handle(SIGUSR1, on_signal, 0);
    thread(detaching);
    await(1);
    WAITID("detached", P_PID, pid, WEXITED | __WALL);
    post(4);
    await(5);
    shared->value[1] = thread(ending);
    await(11);
    post(13);
    WAITID("ended", P_ALL, 0, WEXITED | __WALL);
    post(14);
    await(15);
    return 0;
}

/* The waiter sleeps; after ``event`` it is awake or has to be woken. */
static void watch(const char *key, pid_t pid, int go, int gone, int awake)
{
    within(QUIET_MS, posted(awake));
    say("asleep-before", "%s", yes(!posted(awake)));
    post(go);
    if (gone)
        await(gone);
    else
        await_exited(pid, shared->value[1]);
    within(QUIET_MS, posted(awake));
    say(key, "%s", yes(!posted(awake)));
    must_come((posted(awake) || kill(pid, SIGUSR1) || posted(awake)));
    post(awake + 1);
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("T", target);
    pid_t tracer = spawn("D", debugger);
    await(1);
    watch("asleep-after-detach", tracer, 2, 3, 4);
    await(13);
    watch("asleep-after-exit", tracer, 12, 0, 14);
    WAIT("tracer", tracer, 0);
    MUST(kill(pid, SIGKILL));
    WAIT("target", pid, 0);
}
