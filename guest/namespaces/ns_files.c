/*
 * ns_files -- namespaces as files: links and their numbers, setns with right and wrong descriptors, NS_GET_* ioctls, upward, dead
 * guest: needs=root
 */
#include "userns.h"
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define NS_GET_TGID_FROM_PIDNS _IOR(0xb7, 0x7, int)
#define NS_GET_PID_IN_PIDNS _IOR(0xb7, 0x8, int)
#define NS_GET_TGID_IN_PIDNS _IOR(0xb7, 0x9, int)
#endif
#ifndef NS_GET_MNTNS_ID
#define NS_GET_MNTNS_ID _IOR(0xb7, 0x5, unsigned long)
#endif

static const char *const KINDS[] = {"net", "uts", "ipc", "pid", "pid_for_children", "user", "mnt", "cgroup", "time", "time_for_children"};
#define COUNT (sizeof KINDS / sizeof *KINDS)

static ino_t number_of(pid_t pid, const char *kind)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
    return stat(path, &status) ? 0 : status.st_ino;
}

static int open_kind(pid_t pid, const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
    return open(path, O_RDONLY);
}

/* Which namespaces of `pid` are not ours. */
static void compare(const char *title, pid_t pid)
{
    char line[256] = "";
    for (size_t i = 0; i < COUNT; i++) {
        ino_t theirs = number_of(pid, KINDS[i]);
        if (theirs != number_of(getpid(), KINDS[i]))
            sprintf(line + strlen(line), " %s%s", KINDS[i], theirs ? "" : "(none)");
    }
    out("%s differs in:%s\n", title, line);
}

static pid_t waiting(int flags)
{
    int ready[2];
    char byte;
    MUST(pipe(ready));
    pid_t pid = FORK(prctl(PR_SET_PDEATHSIG, SIGKILL); MUST(unshare(flags)); MUST(write(ready[1], "r", 1)); pause());
    MUST(read(ready[0], &byte, 1));
    close(ready[0]), close(ready[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    reap(pid);
}

static int same(int fd, pid_t pid, const char *kind)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_ino == number_of(pid, kind);
}

static void links(void)
{
    char text[64], path[64], wanted[64];
    struct stat status, twice;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", KINDS[i]);
        long length = MUST(readlink(path, text, sizeof text - 1));
        text[length] = 0;
        MUST(stat(path, &status));
        MUST(stat(path, &twice));
        const char *name = strncmp(KINDS[i], "pid", 3) == 0 ? "pid" : strncmp(KINDS[i], "time", 4) == 0 ? "time" : KINDS[i];
        snprintf(wanted, sizeof wanted, "%s:[%lu]", name, (unsigned long)status.st_ino);
        out("%s: %s, mode %o, stable %d\n", KINDS[i], strcmp(text, wanted) ? text : "as expected", status.st_mode,
            status.st_ino == twice.st_ino && status.st_dev == twice.st_dev);
    }
    MUST(lstat("/proc/self/ns", &status));
    out("directory %o, nlink %lu\n", status.st_mode, (unsigned long)status.st_nlink);
    TRY(open("/proc/self/ns/none", O_RDONLY));
    TRY(open("/proc/self/ns/uts", O_RDWR));
    TRY(open("/proc/self/ns/uts", O_RDONLY | O_DIRECTORY));
    int fd = TRY(open("/proc/self/ns/uts", O_RDONLY));
    TRY(read(fd, text, 1));
    TRY(write(fd, text, 1));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(fchmod(fd, 0600));
    TRY(ioctl(fd, 0x5401, text));
    close(fd);
}

static void wrong_descriptors(void)
{
    int pipes[2];
    MUST(pipe(pipes));
    int file = MUST(open("/proc/self/status", O_RDONLY)), path = MUST(open("/proc/self/ns/uts", O_PATH));
    int uts = MUST(open("/proc/self/ns/uts", O_RDONLY)), user = MUST(open("/proc/self/ns/user", O_RDONLY));
    int pidfd = MUST(syscall(SYS_pidfd_open, getpid(), 0)), directory = MUST(open("/proc/self/ns", O_RDONLY));
    int proc = MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
    TRY(setns(-1, 0));
    TRY(setns(100, CLONE_NEWUTS));
    TRY(setns(pipes[0], 0));
    TRY(setns(file, CLONE_NEWUTS));
    TRY(setns(directory, 0));
    TRY(setns(proc, CLONE_NEWUTS));
    TRY(setns(path, 0));
    TRY(setns(uts, CLONE_NEWNET));
    TRY(setns(uts, CLONE_NEWUTS | CLONE_NEWNET));
    TRY(setns(uts, CLONE_NEWUTS));
    TRY(setns(uts, 0));
    TRY(setns(user, 0));
    TRY(setns(pidfd, 0));
    TRY(setns(pidfd, CLONE_FS));
    TRY(setns(pidfd, CLONE_NEWUTS));
    TRY(setns(pidfd, CLONE_NEWUSER));
    TRY(setns(pidfd, CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP));
    TRY(setns(pidfd, CLONE_NEWUTS | 0x80));
    for (int kind = 1; kind <= 10; kind++) {
        static const char *const NAMES[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
        int fd = ioctl(pidfd, _IO(0xFF, kind), 0);
        out("pidfd gives %s: %s\n", NAMES[kind - 1], fd < 0 ? errno_name(errno) : same(fd, getpid(), NAMES[kind - 1]) ? "the same" : "another");
        close(fd);
    }
    TRY(ioctl(pidfd, _IO(0xFF, 10), 1));
    TRY(ioctl(pidfd, _IO(0xFF, 77), 0));
}

static void ioctls(void)
{
    pid_t child = waiting(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET);
    int uts = MUST(open_kind(child, "uts")), user = MUST(open_kind(child, "user")), own = MUST(open_kind(getpid(), "user"));
    int mnt = MUST(open_kind(child, "mnt")), pid = MUST(open_kind(getpid(), "pid"));
    int fd = MUST(ioctl(uts, NS_GET_USERNS));
    out("owner of uts is user: %d, close on exec: %d\n", same(fd, child, "user"), fcntl(fd, F_GETFD));
    fd = MUST(ioctl(user, NS_GET_USERNS));
    out("owner of user is ours: %d\n", same(fd, getpid(), "user"));
    fd = MUST(ioctl(user, NS_GET_PARENT));
    out("parent of user is ours: %d\n", same(fd, getpid(), "user"));
    unsigned uid = 77;
    unsigned long id = 0, again = 0;
    TRY(ioctl(user, NS_GET_OWNER_UID, &uid));
    out("owner %u\n", uid);
    TRY(ioctl(uts, NS_GET_OWNER_UID, &uid));
    TRY(ioctl(user, NS_GET_OWNER_UID, (void *)8));
    TRY(ioctl(uts, NS_GET_PARENT));
    TRY(ioctl(mnt, NS_GET_PARENT));
    TRY(ioctl(own, NS_GET_USERNS));
    TRY(ioctl(own, NS_GET_PARENT));
    TRY(ioctl(pid, NS_GET_PARENT));
    out("types %x %x %x\n", ioctl(uts, NS_GET_NSTYPE), ioctl(user, NS_GET_NSTYPE), ioctl(pid, NS_GET_NSTYPE));
    TRY(ioctl(uts, NS_GET_MNTNS_ID, &id));
    TRY(ioctl(mnt, NS_GET_MNTNS_ID, &id));
    TRY(ioctl(mnt, NS_GET_MNTNS_ID, &again));
    out("an id: %d\n", id && id == again);
    TRY(ioctl(mnt, 0xb7ff));
    TRY(ioctl(uts, NS_GET_PID_IN_PIDNS, getpid()));
    TRY(ioctl(pid, NS_GET_PID_IN_PIDNS, 999999));
    out("self %d %d %d %d\n", ioctl(pid, NS_GET_PID_FROM_PIDNS, getpid()) == getpid(),
        ioctl(pid, NS_GET_TGID_FROM_PIDNS, getpid()) == getpid(), ioctl(pid, NS_GET_PID_IN_PIDNS, getpid()) == getpid(),
        ioctl(pid, NS_GET_TGID_IN_PIDNS, getpid()) == getpid());
    end(child);
    /* From inside, what is outside cannot be had. */
    child = FORK(int before = MUST(open_kind(getpid(), "uts")); int mine = MUST(open_kind(getpid(), "user"));
                 MUST(unshare(CLONE_NEWUSER)); TRY(ioctl(before, NS_GET_USERNS)); TRY(ioctl(mine, NS_GET_PARENT));
                 int now = MUST(open_kind(getpid(), "user")); TRY(ioctl(now, NS_GET_PARENT)); TRY(ioctl(now, NS_GET_USERNS));
                 TRY(ioctl(now, NS_GET_OWNER_UID, &uid)); out("owner %u\n", uid); TRY(setns(before, 0)); TRY(setns(mine, 0)));
    reap(child);
}

static void pid_namespaces(void)
{
    pid_t self = getpid();
    int outer = MUST(open_kind(self, "pid"));
    MUST(unshare(CLONE_NEWPID));
    compare("after unshare, self to self", self);
    out("pid_for_children: %lu\n", (unsigned long)number_of(self, "pid_for_children"));
    TRY(open_kind(self, "pid_for_children"));
    TRY(unshare(CLONE_NEWPID));
    int go[2], told[2];
    char byte;
    MUST(pipe(go));
    MUST(pipe(told));
    pid_t init = FORK(MUST(read(go[0], &byte, 1)); TRY(getpid()); TRY(getppid());
                      TRY(setns(outer, 0)); TRY(unshare(CLONE_NEWPID));
                      pid_t inner = fork(); if (inner == 0) { out("inner %d\n", getpid()); MUST(write(told[1], "t", 1)); pause(); }
                      MUST(read(told[0], &byte, 1));
                      out("its first child is %d\n", inner);
                      _exit(0));
    out("has an init now: %d\n", number_of(self, "pid_for_children") == number_of(init, "pid"));
    int inner = MUST(open_kind(init, "pid"));
    out("numbers of init: there %d, back %d\n", ioctl(inner, NS_GET_PID_IN_PIDNS, init), ioctl(inner, NS_GET_PID_FROM_PIDNS, 1) == init);
    TRY(ioctl(inner, NS_GET_PID_IN_PIDNS, self));
    TRY(ioctl(inner, NS_GET_PID_FROM_PIDNS, 5));
    int parent = MUST(ioctl(inner, NS_GET_PARENT));
    out("parent of pid is ours: %d\n", same(parent, self, "pid"));
    MUST(write(go[1], "g", 1));
    reap(init);
    out("-- dead\n");
    TRY(fork());
    TRY(setns(inner, CLONE_NEWPID));
    TRY(fork());
    TRY(setns(outer, CLONE_NEWPID));
    TRY_OK(reap(FORK()));
    TRY(ioctl(inner, NS_GET_PID_FROM_PIDNS, 1));
    out("parent: %d\n", ioctl(inner, NS_GET_PARENT) > 0);
}

static void times(void)
{
    struct timespec before, after;
    pid_t child = FORK(
        MUST(unshare(0x80)); compare("time", getpid());
        out("own and children's: %d\n", number_of(getpid(), "time") == number_of(getpid(), "time_for_children"));
        show_proc(0, "timens_offsets");
        TRY(write_proc(0, "timens_offsets", "monotonic 1000 0", 0)); TRY(write_proc(0, "timens_offsets", "boottime 10 5\n", 0));
        TRY(write_proc(0, "timens_offsets", "realtime 10 5\n", 0)); TRY(write_proc(0, "timens_offsets", "monotonic 10", 0));
        TRY(write_proc(0, "timens_offsets", "monotonic 10 -5", 0)); TRY(write_proc(0, "timens_offsets", "monotonic 10 1000000000", 0));
        TRY(write_proc(0, "timens_offsets", "monotonic -999999999 0", 0));
        TRY(write_proc(0, "timens_offsets", "monotonic 99999999999 0", 0));
        TRY(write_proc(0, "timens_offsets", "1 2000 0\n7 20 0\n", 0));
        show_proc(0, "timens_offsets");
        clock_gettime(CLOCK_MONOTONIC, &before);
        reap(FORK(clock_gettime(CLOCK_MONOTONIC, &after); out("2000 s ahead: %d\n", after.tv_sec - before.tv_sec >= 1999);
                  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after);
                  out("2000 s ahead: %d\n", after.tv_sec - before.tv_sec >= 1999);
                  compare("child", getppid());
                  TRY(write_proc(0, "timens_offsets", "monotonic 1 0", 0));
                  after.tv_nsec += 1000; TRY(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &after, NULL))));
        TRY(write_proc(0, "timens_offsets", "monotonic 1 0", 0));
        clock_gettime(CLOCK_MONOTONIC, &after); out("the maker is where it was: %d\n", after.tv_sec - before.tv_sec < 100));
    reap(child);
}

int main(void)
{
    links();
    out("-- wrong descriptors\n");
    wrong_descriptors();
    out("-- what is shared\n");
    for (size_t i = 0; i < 8; i++) {
        static const int FLAGS[] = {CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWCGROUP, 0x80};
        pid_t child = waiting(FLAGS[i]);
        compare(KINDS[i], child);
        end(child);
    }
    pid_t child = waiting(CLONE_NEWUTS), third = waiting(0);
    int fd = MUST(open_kind(child, "uts")), pidfd = MUST(syscall(SYS_pidfd_open, child, 0));
    reap(FORK(TRY(setns(fd, 0)); compare("entered", third); MUST(sethostname("entered", 7))));
    reap(FORK(TRY(setns(pidfd, CLONE_NEWUTS | CLONE_NEWNS)); compare("entered", third); char name[65]; gethostname(name, 65);
              out("host %s\n", name)));
    end(child);
    reap(FORK(TRY(setns(fd, 0)); char name[65]; gethostname(name, 65); out("still %s\n", name)));
    TRY(setns(pidfd, CLONE_NEWUTS));
    end(third);
    out("-- ioctls\n");
    ioctls();
    out("-- pid namespaces\n");
    reap(FORK(pid_namespaces()));
    out("-- time\n");
    times();
    out("-- a zombie\n");
    pid_t zombie = FORK(_exit(0));
    siginfo_t info;
    MUST(waitid(P_PID, zombie, &info, WEXITED | WNOWAIT));
    compare("zombie", zombie);
    reap(zombie);
    return 0;
}
