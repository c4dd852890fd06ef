/*
 * groups -- supplementary groups: setting, reading, limits, and what they allow
 * guest: needs=root
 */
#include "guest.h"
#include <grp.h>

int main(void)
{
    NEED_ROOT;
    gid_t groups[4] = {7, 5, 7, 9}, got[100000 / 4];
    TRY(syscall(SYS_setgroups, 4, groups));
    TRY(syscall(SYS_getgroups, 0, NULL));
    int count = syscall(SYS_getgroups, 100, got);
    out("groups:");
    for (int i = 0; i < count; i++)
        out(" %u", got[i]);
    out("\n");
    TRY(syscall(SYS_getgroups, 2, got));
    TRY(syscall(SYS_getgroups, -1, got));
    TRY(syscall(SYS_setgroups, 65537, groups));
    TRY(syscall(SYS_setgroups, 1, (gid_t *)8));
    umask(0);
    int fd = MUST(open("grouped", O_CREAT | O_WRONLY | O_TRUNC, 0640));
    close(fd);
    MUST(chown("grouped", 0, 9));
    pid_t child = FORK({
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        TRY(open("grouped", O_RDONLY) >= 0);
        TRY(open("grouped", O_WRONLY));
        TRY(syscall(SYS_setgroups, 0, NULL));
    });
    reap(child);
    child = FORK({
        MUST(syscall(SYS_setgroups, 0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        TRY(open("grouped", O_RDONLY));
        TRY(syscall(SYS_getgroups, 0, NULL));
    });
    reap(child);
    unlink("grouped");
    return 0;
}
