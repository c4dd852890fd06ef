/*
 * 104-exec-sheds-traced-first -- a parent traces the dead first thread of its own child while another thread execs
 * guest: libc=musl
 *
 * The corpse stands for the process, so nothing is reported; the exec takes over its number and the process is untraced afterwards.
 */
#include "scenario.h"

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

static void scenario(void)
{
    char path[64];
    pid_t pid = spawn("P", process);
    seize(pid, 0);
    post(1);
    await_exited(pid, pid);
    WAIT("first-thread", pid, WNOHANG | __WALL);
    post(2);
    await(3);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    say("tracer", "%s", status_line(path, "TracerPid"));
    say("seize-again", "%s", result(trace(PTRACE_SEIZE, pid, 0, 0)));
    post(4);
    WAIT("process", pid, 0);
}
