/*
 * 13-self-exe -- exec of /proc/self/exe by a thread whose first thread has exited
 * guest: libc=musl
 *
 * Mainline looks for the memory of the corpse, which has none.  Without leaders any living thread will do (B3).
 */
#include "scenario.h"

static int other(void)
{
    await_exited(getpid(), getpid());
    int got = exec_path("/proc/self/exe", "exit", 4, 0);
    say("exec", "%s", result(got));
    return 9;
}

static int process(void)
{
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    WAIT("process", spawn("P", process), 0);
}
