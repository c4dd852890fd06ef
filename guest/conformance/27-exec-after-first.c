/*
 * 27-exec-after-first -- exec by a thread after the first one has exited: it takes over the number of the process
 * guest: libc=musl
 */
static void after_exec(const char *verb);
#define IMAGE(verb, first, second) after_exec(verb)
#include "scenario.h"

static void after_exec(const char *verb)
{
    if (strcmp(verb, "look"))
        return;
    say("tid-is-pid", "%s", yes(gettid_raw() == getpid()));
    say("pid", "%s", who(getpid()));
    say("threads", "%s", status_line("/proc/self/status", "Threads"));
    say("exe", "%s", result(access("/proc/self/exe", F_OK)));
    _exit(6);
}

static int other(void)
{
    await_exited(getpid(), getpid());
    say("tid-is-pid-before", "%s", yes(gettid_raw() == getpid()));
    MUST(exec_self("look", 0, 0));
    return 9;
}

static int process(void)
{
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    within(LIMIT_MS, sigchld_count);
    say_sigchlds("sigchld", 1);
    WAIT("process", pid, 0);
}
