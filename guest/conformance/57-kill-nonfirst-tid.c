/*
 * 57-kill-nonfirst-tid -- kill(2) with the tid of a thread that is not the first
 * guest: libc=musl
 *
 * Mainline finds the thread and signals its process.  When the tgid is a type of its own, that is no process.
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
    say("kill-0", "%s", result(kill(tid, 0)));
    say("tgkill-0", "%s", result(syscall(SYS_tgkill, pid, tid, 0)));
    say("tkill-0", "%s", result(syscall(SYS_tkill, tid, 0)));
    say("kill-term", "%s", result(kill(tid, SIGTERM)));
    WAIT_WITHIN("process", pid, 0, QUIET_MS * 2);
}
