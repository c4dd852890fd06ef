/*
 * 22-waitpid-direct -- waitpid for one child among very many
 * guest: libc=musl
 *
 * What counts is the number of tasks that the kernel visits, which a program cannot see; the tests count it.
 */
#include "scenario.h"

#define CHILDREN 300

static void scenario(void)
{
    static pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        children[i] = FORK(await(0));
    int status, none = 0, reaped = 0;
    for (int i = 0; i < CHILDREN; i++)
        none += waitpid(children[i], &status, WNOHANG) == 0;
    say("none-yet", "%d", none);
    post(0);
    for (int i = CHILDREN - 1; i >= 0; i--)
        reaped += waitpid(children[i], &status, 0) == children[i] && status == 0;
    say("reaped", "%d", reaped);
    WAIT("then", -1, WNOHANG);
}
