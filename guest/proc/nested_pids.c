/*
 * nested_pids -- the numbers /proc shows of a process two pid namespaces down, in each of the three mounts of procfs
 * guest: needs=proc,root
 */
#include "procfile.h"
#include <sys/mount.h>

static char base[3][32];
/* Where the procfs of each level is mounted. */

static int count_numbers(const char *value)
{
    int count = 0;
    for (const char *at = value; *at;) {
        count += *at >= '0' && *at <= '9';
        at += strcspn(at, "\t");
        at += *at == '\t';
    }
    return count;
}

static int pid_dirs(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    closedir(dir);
    return count;
}

static void look(const char *who, int level)
{
    for (int i = 0; i < 3; i++) {
        char path[128], target[64];
        snprintf(path, sizeof path, "%s/self", base[i]);
        long length = readlink(path, target, sizeof target - 1);
        out("%s: self in the mount of level %d: %s\n", who, i, length < 0 ? errno_name(errno) : "there");
        if (length < 0)
            continue;
        target[length] = 0;
        if (i == level)
            expect(atoi(target) == getpid(), "%s: self is getpid()", who);
        snprintf(path, sizeof path, "%s/self/status", base[i]);
        slurp(path);
        out("%s: level %d NStgid %d NSpid %d NSpgid %d NSsid %d numbers\n", who, i, count_numbers(field("NStgid:\t")),
            count_numbers(field("NSpid:\t")), count_numbers(field("NSpgid:\t")), count_numbers(field("NSsid:\t")));
        expect(atoi(field("Pid:\t")) == atoi(target) && atoi(field("Tgid:\t")) == atoi(target), "%s: level %d Pid and Tgid", who, i);
        if (level && i == level)
            out("%s: PPid %s, NSpid %s, NSpgid %s, NSsid %s\n", who, field("PPid:\t"), field("NSpid:\t"), field("NSpgid:\t"),
                field("NSsid:\t"));
        snprintf(path, sizeof path, "%s/self/stat", base[i]);
        slurp(path);
        int pid, ppid, pgrp, session;
        char state;
        sscanf(text, "%d", &pid);
        sscanf(strrchr(text, ')') + 1, " %c %d %d %d", &state, &ppid, &pgrp, &session);
        expect(pid == atoi(target), "%s: level %d stat", who, i);
        if (level && i == level)
            out("%s: stat has parent %d group %d session %d\n", who, ppid, pgrp, session);
        snprintf(path, sizeof path, "%s/thread-self", base[i]);
        expect(readlink(path, target, sizeof target) > 0, "%s: thread-self at level %d", who, i);
    }
    out("%s: level 1 has %d processes, level 2 %d\n", who, level >= 1 ? pid_dirs(base[1]) : -1, level == 2 ? pid_dirs(base[2]) : -1);
}

static void mount_proc(int level)
{
    snprintf(base[level], sizeof base[level], "/tmp/proc-level-%d", level);
    mkdir(base[level], 0700);
    MUST(mount("proc", base[level], "proc", 0, NULL));
}

int main(void)
{
    MUST(unshare(CLONE_NEWNS));
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    strcpy(base[0], "/proc");
    strcpy(base[1], "/nowhere");
    strcpy(base[2], "/nowhere");
    MUST(unshare(CLONE_NEWPID));
    int first = FORK({
        mount_proc(1);
        look("init of level 1", 1);
        MUST(unshare(CLONE_NEWPID));
        int second = FORK({
            mount_proc(2);
            look("init of level 2", 2);
            int child = FORK({
                setsid();
                look("child in level 2", 2);
            });
            reap(child);
            TRY(access("/tmp/proc-level-2/3", F_OK));
            char path[128];
            snprintf(path, sizeof path, "%s/1/comm", base[2]);
            out("comm of 1: %s\n", outcome(slurp(path)));
        });
        out("level 2 ended: %s\n", status_name(reap(second)));
        snprintf(base[2], sizeof base[2], "/tmp/proc-level-2");
        out("its procfs has %d processes\n", pid_dirs(base[2]));
        TRY(access("/tmp/proc-level-2/1", F_OK));
        TRY(access("/tmp/proc-level-2/self", F_OK));
        TRY(umount("/tmp/proc-level-2"));
        slurp("/proc/self/status");
        out("seen from outside: %d numbers\n", count_numbers(field("NSpid:\t")));
        int fd = MUST(open("/tmp/proc-level-1/sys/kernel/ns_last_pid", O_RDWR));
        MUST(write(fd, "77", 2));
        out("after ns_last_pid 77: %d\n", reap(FORK(_exit(getpid()))) >> 8);
    });
    out("level 1 ended: %s\n", status_name(reap(first)));
    rmdir("/tmp/proc-level-1");
    rmdir("/tmp/proc-level-2");
    return wrong;
}
