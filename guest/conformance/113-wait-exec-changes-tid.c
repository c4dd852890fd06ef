/*
 * 113-wait-exec-changes-tid -- a tracer waits for a thread by its tid, and an exec gives that thread another one
 * guest: libc=musl
 *
 * Nobody has the number any more.  Mainline wakes nobody; without leaders the waiter looks again and gets ECHILD (2.6).
 */
#include "scenario.h"

static void on_signal(int number)
{
    (void)number;
}

static int other(void)
{
    post(0);
    await(2);
    MUST(exec_self("hold", 3, 4));
    return 1;
}

static int process(void)
{
    shared->value[1] = thread(other);
    post(1);
    sleep_for_ever();
}

static int debugger(void)
{
    pid_t tid = shared->value[1];
    handle(SIGUSR1, on_signal, 0);
    MUST(ptrace(PTRACE_SEIZE, tid, 0, 0));
    post(5);
    WAIT("by-tid", tid, __WALL);
    post(6);
    await(7);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    await(1);
    pid_t tracer = spawn("D", debugger);
    await(5);
    within(QUIET_MS, posted(6));
    say("asleep-before-exec", "%s", yes(!posted(6)));
    post(2);
    await(3);
    within(QUIET_MS, posted(6));
    say("asleep-after-exec", "%s", yes(!posted(6)));
    must_come((posted(6) || kill(tracer, SIGUSR1) || posted(6)));
    post(7);
    WAIT("tracer", tracer, 0);
    post(4);
    WAIT("process", pid, 0);
}
