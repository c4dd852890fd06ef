/*
 * 68-nested-namespaces -- pid namespaces three deep: every process has a number in each of them up to the top
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int level(void)
{
    int depth = ++shared->value[0];
    char key[32], numbers[64];
    snprintf(key, sizeof key, "depth-%d", depth);
    if (depth > 1)
        await(depth - 1);
    say(key, "pid %d ppid %d", getpid(), getppid());
    if (depth == 3) {
        post(0);
        sleep_for_ever();
    }
    pid_t pid = spawn_init("inner", level);
    snprintf(numbers, sizeof numbers, "child-at-%d", depth);
    say(numbers, "%d", pid);
    post(depth);
    say(depth == 1 ? "reaped-at-1" : "reaped-at-2", "%s", describe(reap(pid)));
    return 10 + depth;
}

static void scenario(void)
{
    char path[64];
    int levels = 0;
    pid_t first = spawn_init("N1", level);
    await(0);
    pid_t second = child_of(first), third = child_of(second);
    snprintf(path, sizeof path, "/proc/%d/status", third);
    const char *text = status_line(path, "NSpid");
    for (const char *at = text; *at; at++)
        levels += *at >= '0' && *at <= '9' && (at == text || at[-1] < '0');
    say("numbers-of-innermost", "%d, last %s", levels, strrchr(text, '\t') ? strrchr(text, '\t') + 1 : "");
    MUST(kill(third, SIGKILL));
    WAIT("outermost", first, 0);
}
