/*
 * 10-stale-cred-allow -- the first thread dropped to uid 1000 and exited, the living thread is root: may uid 1000 kill it?
 * guest: needs=root libc=musl
 *
 * Mainline asks the corpse and says yes.  Only living threads count without leaders (B5).
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
    MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
    thread_exit(3);
}

static int sender(void)
{
    pid_t pid = shared->value[0];
    MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
    say("kill-0", "%s", result(kill(pid, 0)));
    say("kill-group-0", "%s", result(kill(-pid, 0)));
    say("kill-9", "%s", result(kill(pid, SIGKILL)));
    return 0;
}

static void scenario(void)
{
    need_root();
    pid_t pid = spawn("P", process);
    setpgid(pid, pid);
    await(0);
    await_exited(pid, pid);
    shared->value[0] = pid;
    WAIT("sender", spawn("S", sender), 0);
    WAIT_WITHIN("process", pid, 0, QUIET_MS);
}
