/*
 * 110-kill-group-mixed -- kill of a group in which the sender may signal some processes and not others
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int other_user(void)
{
    MUST(setresuid(1001, 1001, 1001));
    post(0);
    sleep_for_ever();
}

static int same_user(void)
{
    MUST(setresuid(1000, 1000, 1000));
    post(0);
    sleep_for_ever();
}

static int sender(void)
{
    MUST(setresuid(1000, 1000, 1000));
    say("mixed-0", "%s", result(kill(-(pid_t)shared->value[0], 0)));
    say("mixed-term", "%s", result(kill(-(pid_t)shared->value[0], SIGTERM)));
    post(1);
    await(2);
    say("foreign", "%s", result(kill(-(pid_t)shared->value[0], SIGTERM)));
    say("foreign-cont", "%s", result(kill(-(pid_t)shared->value[0], SIGCONT)));
    say("nobody", "%s", result(kill(-(1 << 22), 0)));
    return 0;
}

static void scenario(void)
{
    need_root();
    pid_t foreign = spawn("F", other_user), own = spawn("S", same_user);
    await_count(0, 2);
    MUST(setpgid(foreign, foreign));
    MUST(setpgid(own, foreign));
    shared->value[0] = foreign;
    pid_t pid = spawn("K", sender);
    await(1);
    WAIT("own", own, 0);
    WAIT("foreign-process", foreign, WNOHANG);
    post(2);
    WAIT("sender", pid, 0);
}
