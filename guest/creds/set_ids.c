/*
 * set_ids -- the set*uid and set*gid families from every kind of state, by raw system calls
 * guest: needs=root
 */
#include "guest.h"
#include <sys/fsuid.h>

static const char *ids(int group)
{
    static char text[64];
    unsigned r, e, s;
    syscall(group ? SYS_getresgid : SYS_getresuid, &r, &e, &s);
    unsigned fs = syscall(group ? SYS_setfsgid : SYS_setfsuid, -1);
    snprintf(text, sizeof text, "%u %u %u fs %u", r, e, s, fs);
    return text;
}

/* Start from real, effective, saved; make the call; print what became of it. */
#define STEP(r, e, s, call)                                                        \
    do {                                                                           \
        pid_t step_pid = FORK({                                                    \
            MUST(syscall(SYS_setresgid, r, e, s));                                 \
            MUST(syscall(SYS_setresuid, r, e, s));                                 \
            long step_result = call;                                               \
            out("%d %d %d  %-38s %s -> %s\n", r, e, s, #call, step_result < 0 ? errno_name(errno) : "0", ids(0)); \
        });                                                                        \
        reap(step_pid);                                                            \
    } while (0)

#define GROUP_STEP(r, e, s, call)                                                  \
    do {                                                                           \
        pid_t step_pid = FORK({                                                    \
            MUST(syscall(SYS_setresgid, r, e, s));                                 \
            MUST(syscall(SYS_setresuid, 1000, 1000, 1000));                        \
            long step_result = call;                                               \
            out("%d %d %d  %-38s %s -> %s\n", r, e, s, #call, step_result < 0 ? errno_name(errno) : "0", ids(1)); \
        });                                                                        \
        reap(step_pid);                                                            \
    } while (0)

int main(void)
{
    NEED_ROOT;
    int states[][3] = {{0, 0, 0}, {1, 0, 0}, {1, 2, 0}, {1, 2, 3}, {0, 1, 1}, {1, 0, 2}};
    for (int i = 0; i < 6; i++) {
        int r = states[i][0], e = states[i][1], s = states[i][2];
        STEP(r, e, s, syscall(SYS_setuid, 5));
        STEP(r, e, s, syscall(SYS_setuid, 1));
        STEP(r, e, s, syscall(SYS_setuid, 0));
        STEP(r, e, s, syscall(SYS_setuid, 3));
        STEP(r, e, s, syscall(SYS_setreuid, 5, -1));
        STEP(r, e, s, syscall(SYS_setreuid, -1, 5));
        STEP(r, e, s, syscall(SYS_setreuid, -1, 3));
        STEP(r, e, s, syscall(SYS_setreuid, 2, 1));
        STEP(r, e, s, syscall(SYS_setreuid, 1, 1));
        STEP(r, e, s, syscall(SYS_setreuid, -1, 0));
        STEP(r, e, s, syscall(SYS_setresuid, -1, -1, 2));
        STEP(r, e, s, syscall(SYS_setresuid, 3, 1, 2));
        STEP(r, e, s, syscall(SYS_setresuid, 5, -1, -1));
        STEP(r, e, s, syscall(SYS_setresuid, -1, 0, -1));
        STEP(r, e, s, (syscall(SYS_setfsuid, 1), 0));
        STEP(r, e, s, (syscall(SYS_setfsuid, 5), 0));
    }
    GROUP_STEP(1, 2, 3, syscall(SYS_setgid, 3));
    GROUP_STEP(1, 2, 3, syscall(SYS_setgid, 5));
    GROUP_STEP(1, 2, 3, syscall(SYS_setregid, -1, 1));
    GROUP_STEP(1, 2, 3, syscall(SYS_setregid, 3, -1));
    GROUP_STEP(1, 2, 3, syscall(SYS_setregid, 2, 1));
    GROUP_STEP(1, 2, 3, syscall(SYS_setresgid, 3, 1, 2));
    GROUP_STEP(1, 2, 3, syscall(SYS_setresgid, 0, -1, -1));
    GROUP_STEP(1, 2, 3, (syscall(SYS_setfsgid, 3), 0));
    GROUP_STEP(1, 2, 3, (syscall(SYS_setfsgid, 9), 0));
    TRY(syscall(SYS_setuid, -1));
    TRY(syscall(SYS_setresuid, -1, -1, -1));
    return 0;
}
