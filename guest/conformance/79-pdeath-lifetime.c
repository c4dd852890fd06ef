/*
 * 79-pdeath-lifetime -- the parent-death signal of a thread: fork clears it, exec keeps it, a change of the user clears it
 * guest: needs=root libc=musl
 */
static void after_exec(const char *verb);
#define IMAGE(verb, first, second) after_exec(verb)
#include "scenario.h"

static int signal_set(void)
{
    int number = -1;
    MUST(prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0));
    return number;
}

static void after_exec(const char *verb)
{
    if (strcmp(verb, "look"))
        return;
    say("after-exec", "%d", signal_set());
    MUST(setresuid(1000, 1000, 1000));
    say("after-setuid", "%d", signal_set());
    say("invalid", "%s", result(prctl(PR_SET_PDEATHSIG, 65, 0, 0, 0)));
    _exit(0);
}

static int forked(void)
{
    say("after-fork", "%d", signal_set());
    return 0;
}

static int other(void)
{
    say("in-other-thread", "%d", signal_set());
    post(0);
    return 0;
}

static int process(void)
{
    MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
    say("set", "%d", signal_set());
    thread(other);
    await(0);
    reap(spawn("C", forked));
    MUST(exec_self("look", 0, 0));
    return 1;
}

static void scenario(void)
{
    need_root();
    WAIT("process", spawn("P", process), 0);
}
