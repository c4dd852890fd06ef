/*
 * 37-proc-no-growth -- fork, read the child's /proc entries, reap, many times
 * guest: libc=musl
 *
 * What counts is that the kernel keeps nothing of it, which a program cannot see; the tests count.
 */
#include "scenario.h"

#define ROUNDS 200

static void scenario(void)
{
    char path[64];
    int seen = 0, gone = 0;
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = FORK(await(i % 2));
        snprintf(path, sizeof path, "/proc/%d/status", pid);
        seen += atoi(status_line(path, "Pid")) == pid;
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
        seen += access(path, F_OK) == 0;
        post(i % 2);
        reap(pid);
        shared->flag[i % 2] = 0;
        gone += access(path, F_OK) == -1 && errno == ENOENT;
    }
    say("seen", "%d", seen);
    say("gone", "%d", gone);
}
