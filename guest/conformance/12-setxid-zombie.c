/*
 * 12-setxid-zombie -- the first thread leaves by pthread_exit, another one calls setresuid: who is the process now?
 * guest: needs=root libc=musl
 *
 * libc changes the credentials of every thread that lives.  Mainline's /proc/PID and kill() go on to look at the first thread,
 * which libc could not reach any more, so a child of the same user is refused (B2, B5).
 */
#include "scenario.h"

static int process(void);

static int child(void)
{
    say("child-kill-0", "%s", result(kill(getppid(), 0)));
    return 0;
}

static void *other(void *argument)
{
    pid_t pid = getpid();
    await_exited(pid, pid);
    say("setresuid", "%s", result(setresuid(1000, 1000, 1000)));
    say("proc-self-uid", "%d", status_uid("/proc/self/status"));
    say("thread-self-uid", "%d", status_uid("/proc/thread-self/status"));
    pid_t made = spawn("C", child);
    WAIT("child", made, 0);
    syscall(SYS_exit_group, 6);
    return NULL;
}

static int process(void)
{
    pthread_t id;
    pthread_create(&id, NULL, other, NULL);
    pthread_exit(NULL);
}

static void scenario(void)
{
    need_root();
    WAIT("process", spawn("P", process), 0);
}
