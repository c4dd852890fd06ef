/*
 * 28-exec-wakes-tracer -- a tracer waits for a first thread that is dead while another thread execs
 * guest: libc=musl
 *
 * In mainline the tracer is asleep (the dead first thread cannot be reaped), the exec frees what it waits for, and nobody wakes it.
 * Without leaders it gets the report of the first thread at once, and ECHILD for the next wait.
 */
#include "scenario.h"

static volatile int interrupted;

static void on_signal(int number)
{
    interrupted = 1;
}

static int other(void)
{
    await(2);
    MUST(exec_self("hold", 3, 4));
    return 1;
}

static int process(void)
{
    thread(other);
    await(1);
    thread_exit(3);
}

static int debugger(void)
{
    pid_t pid = shared->value[0];
    handle(SIGUSR1, on_signal, 0);
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    post(5);
    WAIT("tracer", pid, __WALL);
    WAIT("tracer-again", pid, __WALL);
    post(6);
    await(7);
    return 0;
}

static void scenario(void)
{
    pid_t pid = shared->value[0] = spawn("P", process);
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
    WAIT("tracer-end", tracer, 0);
    post(4);
    WAIT("process", pid, 0);
}
