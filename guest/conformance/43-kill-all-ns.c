/*
 * 43-kill-all-ns -- kill(-1) by the init of a pid namespace reaches all others there and not itself
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    pid_t a = FORK({
        post(0);
        sleep_for_ever();
    });
    pid_t b = FORK({
        post(0);
        sleep_for_ever();
    });
    await_count(0, 2);
    say("kill-all", "%s", result(kill(-1, SIGTERM)));
    say("first", "%s", describe(reap(a)));
    say("second", "%s", describe(reap(b)));
    say("kill-all-again", "%s", result(kill(-1, SIGTERM)));
    say("kill-all-0", "%s", result(kill(-1, 0)));
    return 6;
}

static void scenario(void)
{
    WAIT("init", spawn_init("I", init), 0);
}
