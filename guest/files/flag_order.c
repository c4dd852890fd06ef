/*
 * flag_order -- which of two mistakes a call reports: bad flags come before a bad pointer, mostly
 */
#include "guest.h"
#include <poll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BAD ((void *)8)
#define NONSENSE 0x40000000
#define CALL(name, ...) TRY(syscall(SYS_##name, ##__VA_ARGS__))

static void paths(void)
{
    CALL(unlinkat, AT_FDCWD, BAD, NONSENSE);
    CALL(unlinkat, AT_FDCWD, BAD, 0);
    CALL(faccessat2, AT_FDCWD, BAD, R_OK, NONSENSE);
    CALL(faccessat2, AT_FDCWD, BAD, 8, 0);
    CALL(faccessat, AT_FDCWD, BAD, 8);
    CALL(access, BAD, 8);
    CALL(access, BAD, R_OK);
    CALL(linkat, AT_FDCWD, BAD, AT_FDCWD, "x", NONSENSE);
    CALL(linkat, AT_FDCWD, "x", AT_FDCWD, BAD, NONSENSE);
    CALL(linkat, AT_FDCWD, "x", AT_FDCWD, BAD, 0);
    CALL(linkat, AT_FDCWD, BAD, AT_FDCWD, "x", AT_EMPTY_PATH);
    CALL(fchownat, AT_FDCWD, BAD, 0, 0, NONSENSE);
    CALL(fchownat, AT_FDCWD, BAD, 0, 0, AT_SYMLINK_NOFOLLOW);
    CALL(renameat2, AT_FDCWD, BAD, AT_FDCWD, "x", NONSENSE);
    CALL(renameat2, AT_FDCWD, BAD, AT_FDCWD, "x", 3);
    CALL(renameat2, AT_FDCWD, BAD, AT_FDCWD, "x", 6);
    CALL(renameat2, AT_FDCWD, BAD, AT_FDCWD, "x", 1);
    CALL(utimensat, AT_FDCWD, BAD, NULL, NONSENSE);
    CALL(newfstatat, AT_FDCWD, BAD, BAD, NONSENSE);
    CALL(statx, AT_FDCWD, BAD, NONSENSE, 0, BAD);
    CALL(statx, AT_FDCWD, BAD, 0, 0x80000000u, BAD);
    CALL(statx, AT_FDCWD, BAD, 0x6000, 0, BAD);
    CALL(statx, AT_FDCWD, ".", 0, 0, BAD);
    CALL(openat, AT_FDCWD, BAD, O_RDONLY | O_TMPFILE);
    CALL(openat, AT_FDCWD, BAD, O_RDONLY);
    CALL(readlinkat, AT_FDCWD, BAD, BAD, 0);
    CALL(readlinkat, AT_FDCWD, BAD, BAD, 1);
    CALL(umount2, BAD, NONSENSE);
    CALL(umount2, BAD, 5); /* MNT_EXPIRE with MNT_FORCE */
    CALL(truncate, BAD, -1L);
    CALL(truncate, BAD, 0L);
    CALL(mknod, BAD, 0170000, 0);
    CALL(mknod, BAD, S_IFREG, 0);
    CALL(mkdir, "a/b/c", 0777);
    CALL(symlink, BAD, BAD);
    CALL(chown, BAD, 0, 0);
    CALL(chdir, BAD);
    CALL(utimensat, AT_FDCWD, BAD, BAD, 0);
}

static void attributes(void)
{
    CALL(setxattr, BAD, "user.a", "v", 1, NONSENSE);
    CALL(setxattr, BAD, BAD, "v", 1, 0);
    CALL(setxattr, ".", BAD, "v", 1, NONSENSE);
    CALL(setxattr, "missing", BAD, "v", 1, 0);
    CALL(setxattr, "missing", "", "v", 1, 0);
    CALL(setxattr, "missing", "user.a", BAD, 1, 0);
    CALL(setxattr, "missing", "user.a", "v", 70000, 0);
    CALL(setxattr, "missing", "user.a", BAD, 70000, 0);
    CALL(setxattr, BAD, "user.a", "v", 1, 0);
    CALL(lsetxattr, BAD, "user.a", "v", 1, NONSENSE);
    CALL(fsetxattr, 99, "user.a", "v", 1, NONSENSE);
    CALL(fsetxattr, 99, BAD, "v", 1, 0);
    CALL(getxattr, "missing", BAD, NULL, 0);
    CALL(getxattr, BAD, BAD, NULL, 0);
    CALL(getxattr, "missing", "", NULL, 0);
    CALL(fgetxattr, 99, BAD, NULL, 0);
    CALL(removexattr, "missing", BAD);
    CALL(removexattr, "missing", "");
    CALL(fremovexattr, 99, BAD);
    CALL(listxattr, "missing", BAD, 1);
}

static void descriptors(void)
{
    sigset_t set;
    sigemptyset(&set);
    CALL(memfd_create, BAD, NONSENSE);
    CALL(memfd_create, BAD, 0x18);
    CALL(memfd_create, BAD, 0);
    CALL(signalfd4, -1, BAD, 8, NONSENSE);
    CALL(signalfd4, -1, BAD, 7, 0);
    CALL(signalfd4, -1, BAD, 8, 0);
    CALL(signalfd4, 99, BAD, 8, 0);
    CALL(signalfd4, 99, &set, 8, 0);
    CALL(signalfd4, 99, &set, 8, NONSENSE);
    CALL(signalfd4, 0, &set, 8, 0);
    CALL(pipe2, BAD, NONSENSE);
    CALL(pipe2, BAD, 0);
    CALL(timerfd_settime, 99, NONSENSE, BAD, NULL);
    CALL(timerfd_settime, 99, 0, BAD, NULL);
    CALL(timerfd_gettime, 99, BAD);
    CALL(epoll_ctl, 99, 1, 99, BAD);
    CALL(epoll_ctl, 99, 2, 99, BAD);
    CALL(epoll_wait, 99, BAD, 1, 0);
    CALL(flock, -1, -1);
    CALL(flock, 99, 0);
    CALL(flock, 99, 2);
    CALL(fcntl, 99, NONSENSE, BAD);
    CALL(splice, -1, NULL, -1, NULL, 0, 0);
    CALL(splice, -1, NULL, -1, NULL, 0, NONSENSE);
    CALL(splice, -1, BAD, -1, BAD, 1, 0);
    CALL(tee, -1, -1, 0, 0);
    CALL(tee, -1, -1, 0, NONSENSE);
    CALL(tee, -1, -1, 1, 0);
    CALL(vmsplice, -1, BAD, 1, NONSENSE);
    CALL(vmsplice, -1, BAD, 1, 0);
    CALL(dup3, 99, 99, 0);
    CALL(dup3, 99, 98, NONSENSE);
    CALL(readv, 99, BAD, 1);
    CALL(readv, 99, BAD, 5000);
    CALL(pread64, 99, BAD, 1, -1L);
    CALL(getdents64, 99, BAD, 0);
    CALL(sendfile, 99, 99, BAD, 1);
    CALL(copy_file_range, 99, BAD, 99, BAD, 1, NONSENSE);
    CALL(fallocate, 99, NONSENSE, -1L, 0L);
    CALL(ftruncate, 99, -1L);
    CALL(fadvise64, 99, 0L, 0L, 99);
    CALL(sync_file_range, 99, -1L, 0L, NONSENSE);
}

static void processes(void)
{
    char *none[] = {NULL};
    CALL(execve, "missing", BAD, none);
    CALL(execve, "missing", none, BAD);
    CALL(execve, ".", BAD, none);
    CALL(execve, BAD, BAD, BAD);
    CALL(execve, "/proc/self/exe", BAD, none);
    CALL(execve, "/proc/self/exe", none, BAD);
    CALL(execveat, AT_FDCWD, "missing", BAD, none, NONSENSE);
    CALL(execveat, AT_FDCWD, BAD, BAD, none, NONSENSE);
    CALL(execveat, AT_FDCWD, "missing", BAD, none, 0);
    CALL(waitid, 3 /* P_PIDFD */, 99, BAD, WEXITED, NULL);
    CALL(waitid, 3, 0, BAD, WEXITED, NULL);
    CALL(waitid, 3, -1, BAD, WEXITED, NULL);
    CALL(waitid, 99, 0, BAD, WEXITED, NULL);
    CALL(waitid, P_ALL, 0, BAD, 0, NULL);
    CALL(waitid, P_ALL, 0, BAD, NONSENSE | WEXITED, NULL);
    CALL(waitid, P_ALL, 0, BAD, WEXITED, NULL);
    CALL(wait4, -1, BAD, NONSENSE, NULL);
    CALL(wait4, -1, BAD, 0, NULL);
    /* A child that is there: it is reaped although the report cannot be stored. */
    if (fork() == 0)
        _exit(3);
    CALL(waitid, P_ALL, 0, BAD, WEXITED, NULL);
    CALL(waitid, P_ALL, 0, NULL, WEXITED, NULL);
    if (fork() == 0)
        _exit(3);
    TRY(syscall(SYS_wait4, -1, BAD, 0, NULL) > 0);
    CALL(wait4, -1, NULL, 0, NULL);
    if (fork() == 0)
        _exit(3);
    CALL(waitid, P_ALL, 0, NULL, WEXITED, BAD);
    CALL(waitid, P_ALL, 0, NULL, WEXITED, NULL);
    CALL(kill, 0x3fffffff, 99);
    CALL(rt_sigaction, 99, BAD, NULL, 8);
    CALL(rt_sigaction, SIGKILL, BAD, NULL, 8);
    CALL(rt_sigprocmask, 99, BAD, NULL, 8);
    CALL(rt_sigprocmask, 99, BAD, NULL, 7);
    CALL(rt_sigtimedwait, BAD, NULL, NULL, 7);
    CALL(sigaltstack, BAD, NULL);
    CALL(prlimit64, 0, 99, BAD, NULL);
    CALL(prlimit64, 0x3fffffff, 99, NULL, NULL);
    CALL(getrlimit, 99, BAD);
    CALL(clock_gettime, 99, BAD);
    CALL(clock_nanosleep, 99, 0, BAD, NULL);
    CALL(nanosleep, BAD, NULL);
    CALL(setitimer, 99, BAD, NULL);
    CALL(getitimer, 99, BAD);
    CALL(timer_create, 99, BAD, BAD);
    CALL(sched_setaffinity, 0x3fffffff, 8, BAD);
    CALL(sched_getaffinity, 0x3fffffff, 3, BAD);
    CALL(pidfd_send_signal, 99, 0, BAD, 1);
    CALL(pidfd_send_signal, 99, 0, BAD, 0);
    CALL(pidfd_open, -1, NONSENSE);
}

int main(void)
{
    char directory[] = "order-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    paths();
    attributes();
    descriptors();
    processes();
    chdir("..");
    out("removed %d\n", rmdir(directory));
    return 0;
}
