/*
 * 71-subreaper-in-ns -- orphans of a pid namespace: to a subreaper inside it, else to its init, never to a subreaper outside
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int orphan(void)
{
    pid_t parent = getppid();
    post(0);
    must_come(getppid() != parent);
    say("adopted-by", "%d", getppid());
    return 2;
}

static int middle(void)
{
    int before = posted(0);
    spawn("O", orphan);
    await_count(0, before + 1);
    return 1;
}

static int subreaper(void)
{
    say("subreaper", "%d", getpid());
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    pid_t pid = spawn("M", middle);
    reap(pid);
    say("orphan-is-mine", "%s", yes(wait(NULL) > 0));
    return 3;
}

static int init(void)
{
    pid_t pid = spawn("M", middle);
    reap(pid);
    say("orphan-is-inits", "%s", yes(wait(NULL) > 0));
    reap(spawn("S", subreaper));
    say("nothing-left", "%s", yes(wait(NULL) == -1 && errno == ECHILD));
    return 4;
}

static void scenario(void)
{
    WAIT("init", spawn_init("I", init), 0);
    WAIT("then", -1, WNOHANG);
}
