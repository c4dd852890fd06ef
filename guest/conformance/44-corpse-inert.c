/*
 * 44-corpse-inert -- a traced thread that is dead and unreaped: it can be seen, but it takes no signals
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 4;
}

static int process(void)
{
    shared->value[0] = thread(other);
    post(0);
    sleep_for_ever();
}

static void scenario(void)
{
    char path[64];
    pid_t pid = spawn("P", process);
    await(0);
    pid_t tid = name_pid(shared->value[0], "T");
    seize(tid, 0);
    post(1);
    await_exited(pid, tid);
    say("state", "%c", thread_state(pid, tid));
    say("tgkill-0", "%s", result(syscall(SYS_tgkill, pid, tid, 0)));
    say("tgkill-usr1", "%s", result(syscall(SYS_tgkill, pid, tid, SIGUSR1)));
    snprintf(path, sizeof path, "/proc/%d/task/%d/fd", pid, tid);
    say("fd-entries", "%d", count_numbers(path));
    say("kill-0", "%s", result(kill(pid, 0)));
    WAIT("corpse", tid, __WALL);
    WAIT("corpse-again", tid, __WALL | WNOHANG);
    say("state-after", "%c", thread_state(pid, tid));
}
