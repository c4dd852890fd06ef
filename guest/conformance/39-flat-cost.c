/*
 * 39-flat-cost -- fork, exit and wait with few and with many other tasks about
 * guest: libc=musl
 *
 * What counts is the work of the kernel, which a program cannot see; the tests count it.
 */
#include "scenario.h"

static int rounds(void)
{
    int good = 0;
    for (int i = 0; i < 20; i++) {
        pid_t pid = FORK(_exit(3));
        good += WEXITSTATUS(reap(pid)) == 3;
    }
    return good;
}

static void scenario(void)
{
    static pid_t others[200];
    say("alone", "%d", rounds());
    for (int i = 0; i < 200; i++)
        others[i] = FORK({
            post(1);
            await(0);
        });
    await_count(1, 200);
    await_process(others[199], "S");
    say("others-made", "200");
    say("with-others", "%d", rounds());
    post(0);
    int good = 0;
    for (int i = 0; i < 200; i++)
        good += reap(others[i]) == 0;
    say("others", "%d", good);
    say("afterwards", "%d", rounds());
}
