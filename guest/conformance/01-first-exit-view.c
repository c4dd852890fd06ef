/*
 * 01-first-exit-view -- what /proc shows of a process whose first thread has exited while another one lives
 * guest: needs=root libc=musl
 *
 * Mainline keeps the first thread as a zombie that stands for the process; without leaders the living thread does (B3, D5).
 */
#include "scenario.h"

static int other(void)
{
    MUST(syscall(SYS_setresuid, 1001, 1001, 1001));
    post(0);
    sleep_for_ever();
}

static int process(void)
{
    thread(other);
    await(0);
    thread_exit(3);
}

static void scenario(void)
{
    char path[64], link[512];
    need_root();
    pid_t pid = spawn("P", process);
    await(0);
    await_exited(pid, pid);
    say("state", "%c", task_state(pid));
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
    say("task-entry", "%s", result(access(path, F_OK)));
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    say("exe", "%s", result(readlink(path, link, sizeof link)));
    snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    say("cwd", "%s", result(readlink(path, link, sizeof link)));
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    say("uid", "%d", status_uid(path));
    say("threads", "%s", status_line(path, "Threads"));
    say("kill-0", "%s", result(kill(pid, 0)));
}
