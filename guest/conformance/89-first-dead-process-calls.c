/*
 * 89-first-dead-process-calls -- calls that name a process work by its number after the first thread is gone
 * guest: libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 5;
}

static int process(void)
{
    setsid();
    thread(other);
    post(0);
    thread_exit(3);
}

static void scenario(void)
{
    char path[64];
    struct rlimit limit;
    pid_t pid = spawn("P", process);
    await(0);
    await_exited(pid, pid);
    say("getpgid", "%s", yes(getpgid(pid) == pid));
    say("getsid", "%s", yes(getsid(pid) == pid));
    say("prlimit", "%s", result(prlimit(pid, RLIMIT_NOFILE, NULL, &limit)));
    say("kill", "%s", result(kill(pid, 0)));
    say("kill-group", "%s", result(kill(-pid, 0)));
    say("pidfd", "%s", result(syscall(SYS_pidfd_open, pid, 0)));
    say("setpgid", "%s", result(setpgid(pid, getpgrp())));
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    say("tgid", "%s", yes(atoi(status_line(path, "Tgid")) == pid));
    say("ppid", "%s", who(parent_of(pid)));
    post(1);
    WAIT("process", pid, 0);
    say("getpgid-after", "%s", result(getpgid(pid)));
    say("getsid-after", "%s", result(getsid(pid)));
}
