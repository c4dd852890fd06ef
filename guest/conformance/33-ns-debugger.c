/*
 * 33-ns-debugger -- the init of a pid namespace exits while a debugger from outside traces another process of it
 * guest: needs=root libc=musl
 *
 * The init may not be reaped before the debugger has reaped its tracee, or a process would outlive its namespace.  Mainline's init
 * sleeps in the kernel meanwhile, without leaders it is a zombie that is not reaped yet (C3, patch 26).
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
    TRACE_WAIT("debugger", pid);
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(0);
    pid_t member = shared->value[0] = name_pid(child_of(pid), "G");
    pid_t tracer = spawn("D", debugger);
    await_exited(member, member);
    say("member", "%c", task_state(member));
    sleep_ms(50);
    say("init-state", "%c", task_state(pid));
    WAIT("init-before", pid, WNOHANG);
    post(2);
    WAIT("tracer", tracer, 0);
    WAIT("init-after", pid, 0);
}
