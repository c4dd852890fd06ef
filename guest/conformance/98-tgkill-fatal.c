/*
 * 98-tgkill-fatal -- a fatal signal to one thread kills the process; a stop signal to one thread stops the process
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
    await(0);
    post(1);
    sleep_for_ever();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(1);
    pid_t tid = shared->value[0];
    MUST(syscall(SYS_tgkill, pid, tid, SIGSTOP));
    WAIT("stop", pid, WUNTRACED);
    await_thread(pid, pid, "T");
    await_thread(pid, tid, "T");
    say("states", "%c %c", thread_state(pid, pid), thread_state(pid, tid));
    say("wrong-group", "%s", result(syscall(SYS_tgkill, getpid(), tid, 0)));
    MUST(syscall(SYS_tgkill, pid, tid, SIGCONT));
    WAIT("continue", pid, WCONTINUED);
    MUST(syscall(SYS_tgkill, pid, tid, SIGTERM));
    WAIT("end", pid, 0);
}
