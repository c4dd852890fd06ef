/*
 * user_caps -- what root of a user namespace may do, and what not: host name, mounts, time, nice, files, signals, tracing
 * guest: needs=root
 */
#include "userns.h"
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sysmacros.h>

static pid_t outsider;

static void actions(void)
{
    struct timespec now;
    TRY(sethostname("inside", 6));
    TRY(mount("none", "/tmp", "tmpfs", 0, NULL));
    TRY(mount("none", "/proc", "proc", 0, NULL));
    TRY(mount("none", "/tmp", "devtmpfs", 0, NULL));
    TRY(umount2("/tmp", MNT_DETACH));
    TRY(chroot("/tmp"));
    TRY(chroot("."));
    clock_gettime(CLOCK_REALTIME, &now);
    TRY(clock_settime(CLOCK_REALTIME, &now));
    TRY(setpriority(PRIO_PROCESS, 0, -5));
    struct sched_param rt = {.sched_priority = 1};
    TRY(sched_setscheduler(0, SCHED_FIFO, &rt));
    TRY(kill(outsider, 0));
    TRY(ptrace(PTRACE_SEIZE, outsider, 0, 0));
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_max++;
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    TRY(mlock(&limit, 1));
    TRY(mknod("/tmp/user_caps_device", S_IFCHR | 0600, makedev(1, 3)));
    TRY(unshare(CLONE_NEWUTS));
    TRY(sethostname("inside", 6));
    char name[65];
    gethostname(name, sizeof name);
    out("host name %s\n", strcmp(name, "inside") ? "unchanged" : "inside");
    TRY(unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP));
    pid_t pid = FORK(pause());
    TRY_OK(kill(pid, 0));
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0));
    MUST(kill(pid, SIGKILL));
    reap(pid);
    TRY(prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN));
    TRY(prctl(PR_SET_SECUREBITS, 0));
    TRY(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x12345, NULL));
    TRY(syscall(SYS_syslog, 2, name, 0));
}

static void with_mounts(void)
{
    TRY(mount("none", "/tmp", "tmpfs", 0, "mode=700"));
    struct stat status;
    MUST(stat("/tmp", &status));
    out("root of the tmpfs %d:%d %o\n", status.st_uid, status.st_gid, status.st_mode & 07777);
    TRY(mount("none", "/tmp", "tmpfs", 0, "uid=7"));
    TRY(mount("none", "/tmp", "ramfs", 0, NULL));
    TRY(mount("none", "/tmp", "devtmpfs", 0, NULL));
    TRY(mount("none", "/tmp", "sysfs", 0, NULL));
    TRY(mount("none", "/tmp", "nonsense", 0, NULL));
    TRY(mount("/", "/tmp", NULL, MS_BIND, NULL));
    TRY(mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
    TRY(mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    TRY(umount2("/tmp", MNT_DETACH));
    TRY(umount2("/proc", 0));
    TRY(umount2("/", MNT_DETACH));
}

int main(void)
{
    outsider = FORK(pause());
    struct helper child = in_userns(0, 0, actions);
    MUST(write_proc(child.pid, "uid_map", "0 1000 10", 0));
    MUST(write_proc(child.pid, "gid_map", "0 1000 10", 0));
    finish(child);
    out("-- with a mount namespace\n");
    child = in_userns(CLONE_NEWNS, 0, with_mounts);
    MUST(write_proc(child.pid, "uid_map", "0 0 1", 0));
    MUST(write_proc(child.pid, "gid_map", "0 0 1", 0));
    finish(child);
    out("-- owner and stranger outside\n");
    child = in_userns(CLONE_NEWUTS, 1000, NULL);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/uts", child.pid);
    for (int uid = 0; uid <= 2000; uid += 1000) {
        pid_t pid = FORK(if (uid) { MUST(setresgid(uid, uid, uid)); MUST(setresuid(uid, uid, uid)); } out("uid %d\n", uid);
                         int fd = TRY(open(path, O_RDONLY)); TRY(setns(fd, CLONE_NEWUTS)); TRY(kill(child.pid, 0));
                         TRY(ptrace(PTRACE_SEIZE, child.pid, 0, 0)));
        reap(pid);
    }
    finish(child);
    kill(outsider, SIGKILL);
    reap(outsider);
    return 0;
}
