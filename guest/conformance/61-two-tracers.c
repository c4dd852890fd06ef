/*
 * 61-two-tracers -- two debuggers trace one thread each; the process is reported when both corpses have been reaped
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
    shared->value[0] = thread(other);
    shared->value[1] = thread(other);
    await_count(0, 2);
    post(1);
    await_count(2, 2);
    _exit(9);
}

static int debugger(int number)
{
    pid_t tid = shared->value[number];
    seize(tid, 0);
    post(2);
    await(3 + number);
    TRACE_WAIT(number ? "second-tracer" : "first-tracer", tid);
    return 0;
}

static int first(void)
{
    return debugger(0);
}

static int second(void)
{
    return debugger(1);
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(1);
    name_pid(shared->value[0], "T1");
    name_pid(shared->value[1], "T2");
    pid_t a = spawn("D1", first), b = spawn("D2", second);
    await_exited(pid, (pid_t)shared->value[0]);
    await_exited(pid, (pid_t)shared->value[1]);
    await_exited(pid, pid);
    WAIT("process", pid, WNOHANG);
    post(4);
    WAIT("tracer", b, 0);
    WAIT_WITHIN("process", pid, 0, 50);
    post(3);
    WAIT("tracer", a, 0);
    WAIT("process", pid, 0);
}
