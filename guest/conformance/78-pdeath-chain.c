/*
 * 78-pdeath-chain -- a chain of processes, each to be killed when its parent dies
 * guest: libc=musl
 */
#include "scenario.h"

#define LINKS 6

static int link_of_chain(void)
{
    int number = shared->value[0]++;
    pid_t parent = getppid();
    shared->value[10 + number] = getpid();
    MUST(prctl(PR_SET_PDEATHSIG, number % 2 ? SIGKILL : SIGTERM, 0, 0, 0));
    if (number && getppid() != parent)
        return 9;
    if (number < LINKS - 1) {
        char name[8];
        snprintf(name, sizeof name, "P%d", number + 1);
        spawn(name, link_of_chain);
    } else {
        post(0);
    }
    sleep_for_ever();
}

static void scenario(void)
{
    spawn("P0", link_of_chain);
    await(0);
    MUST(kill(shared->value[10], SIGINT));
    for (int i = 0; i < LINKS; i++) {
        char key[16];
        snprintf(key, sizeof key, "link-%d", i);
        int status = 0;
        pid_t pid = shared->value[10 + i];
        must_come(waitpid(pid, &status, 0) == pid);
        say(key, "%s", describe(status));
    }
}
