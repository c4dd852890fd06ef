/*
 * 31-nsinit-inside -- signals to the init of a pid namespace from inside: those without a handler do nothing
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    say("init-pid", "%d", getpid());
    pid_t pid = FORK({
        say("kill", "%s", result(kill(1, SIGKILL)));
        say("stop", "%s", result(kill(1, SIGSTOP)));
        say("term", "%s", result(kill(1, SIGTERM)));
        say("segv", "%s", result(kill(1, SIGSEGV)));
    });
    int status = reap(pid);
    say("child", "%s", describe(status));
    say("self-kill", "%s", result(kill(1, SIGKILL)));
    say("self-abort", "%s", result(kill(1, SIGABRT)));
    return 5;
}

static void scenario(void)
{
    watch_sigchld();
    WAIT("init", spawn_init("I", init), 0);
    say_sigchlds("sigchld", 1);
}
