/*
 * user_ids -- ids seen from a user namespace: get*id, stat, chown, signals, wait, sockets, access; the overflow id for the others
 * guest: needs=root
 */
#include "userns.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/sysmacros.h>

static char directory[] = "/tmp/user_ids_XXXXXX";

static void on_signal(int number, siginfo_t *info, void *context) { out("from %d\n", (int)info->si_uid); }

static void show_ids(void)
{
    unsigned r, e, s;
    gid_t groups[32];
    MUST(syscall(SYS_getresuid, &r, &e, &s));
    out("uids %u %u %u, fsuid %d\n", r, e, s, (int)syscall(SYS_setfsuid, -1));
    MUST(syscall(SYS_getresgid, &r, &e, &s));
    out("gids %u %u %u, fsgid %d\n", r, e, s, (int)syscall(SYS_setfsgid, -1));
    int count = getgroups(32, groups);
    out("%d groups:", count);
    char line[256] = "";
    for (int i = 0; i < count; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %u", groups[i]);
    out("%s\n", line);
}

static void show_stat(const char *path)
{
    struct stat status;
    if (lstat(path, &status))
        out("%s: %s\n", path, errno_name(errno));
    else
        out("%s: %u:%u %o\n", path, status.st_uid, status.st_gid, status.st_mode & 07777);
}

static void show_caps(const char *when)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    MUST(syscall(SYS_capget, &header, data));
    out("%s: effective %s, permitted %s\n", when, data[0].effective == 0xffffffff ? "all" : data[0].effective ? "some" : "none",
        data[0].permitted == 0xffffffff ? "all" : data[0].permitted ? "some" : "none");
}

/* Ids 0-9 are 1000-1009 outside, groups 0-9 are 2000-2009. */
static void mapped(void)
{
    siginfo_t info;
    show_ids();
    show_caps("unshared");
    TRY(setresgid(0, 0, 0));
    TRY(setresuid(0, 0, 0));
    show_ids();
    show_caps("as root");
    MUST(chdir(directory));
    show_stat("of-1000");
    show_stat("of-1005");
    show_stat("of-3000");
    show_stat("/");
    out("-- chown\n");
    TRY(chown("of-1000", 5, 5));
    show_stat("of-1000");
    TRY(chown("of-1005", 0, 0));
    show_stat("of-1005");
    TRY(chown("of-1000", 10, -1));
    TRY(chown("of-1000", -1, 10));
    TRY(chown("of-1000", 4000000000U, -1));
    TRY(chown("of-3000", 0, 0));
    TRY(chown("of-3000", -1, -1));
    TRY(chmod("of-1005", 0600));
    TRY(chmod("of-3000", 0600));
    out("-- access\n");
    TRY(access("of-1000", R_OK | W_OK));
    TRY(access("of-3000", R_OK));
    TRY(open("of-3000", O_RDONLY));
    TRY(unlink("of-3000"));
    TRY(mkdir("made", 0700));
    show_stat("made");
    TRY(setfsuid(7));
    TRY(mkdir("made-by-7", 0700));
    TRY(setfsuid(0));
    show_stat("made-by-7");
    TRY(chown("made-by-7", 0, 0));
    TRY(mknod("device", S_IFCHR | 0600, makedev(1, 3)));
    TRY(mknod("fifo", S_IFIFO | 0600, 0));
    out("-- setting\n");
    TRY(setresuid(10, -1, -1));
    TRY(setresuid(-1, -1, 3));
    TRY(setreuid(11, 0));
    TRY(setuid(65534));
    TRY(setgid(12));
    TRY(setresgid(1, 2, 3));
    TRY(setgroups(1, (gid_t[]){4}));
    TRY(setgroups(1, (gid_t[]){40}));
    TRY(setgroups(2, (gid_t[]){9, 1}));
    show_ids();
    TRY(getpriority(PRIO_USER, 77));
    TRY(setpriority(PRIO_USER, 0, 3));
    out("-- children and signals\n");
    pid_t pid = FORK(MUST(setresuid(4, 4, 4)); show_caps("as 4"); _exit(3));
    MUST(waitid(P_PID, pid, &info, WEXITED));
    out("child of uid %d\n", (int)info.si_uid);
    pid = FORK(MUST(setresuid(4, 4, 4)); TRY(kill(getppid(), 0)); TRY(kill(1, 0)));
    reap(pid);
    TRY(kill(1, 0));
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(kill(getpid(), SIGUSR1));
    out("-- sockets\n");
    int pair[2];
    struct ucred peer;
    socklen_t length = sizeof peer;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
    out("peer %u:%u\n", peer.uid, peer.gid);
    show_stat("/proc/self/status");
    out("auxv %lu %lu %lu %lu\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID));
    TRY(setresuid(3, 3, 3));
    show_caps("as 3");
    TRY(setuid(0));
}

static void unmapped(void)
{
    show_ids();
    show_caps("nobody");
    TRY(setuid(0));
    TRY(setuid(65534));
    TRY(setresuid(-1, -1, -1));
    TRY(setgroups(0, NULL));
    MUST(chdir("/tmp"));
    TRY(mkdir("user_ids_nobody", 0700));
    show_stat("user_ids_nobody");
    TRY(rmdir("user_ids_nobody"));
    TRY(chown("/tmp", 0, 0));
    TRY(chown("/tmp", -1, -1));
    TRY(access("/tmp", W_OK));
}

static void make(const char *name, int uid)
{
    int fd = MUST(open(name, O_CREAT | O_EXCL | O_WRONLY, 0640));
    MUST(fchown(fd, uid, uid + 1000));
    close(fd);
}

int main(void)
{
    MUST(mkdtemp(directory) ? 0 : -1);
    MUST(chmod(directory, 0777));
    MUST(chdir(directory));
    make("of-1000", 1000);
    make("of-1005", 1005);
    make("of-3000", 3000);
    int set_id = MUST(open("/proc/self/exe", O_RDONLY));
    close(set_id);
    MUST(chdir("/"));
    struct helper child = in_userns(0, 0, mapped);
    MUST(write_proc(child.pid, "uid_map", "0 1000 10", 0));
    MUST(write_proc(child.pid, "gid_map", "0 2000 10", 0));
    finish(child);
    MUST(chdir(directory));
    show_stat("of-1000");
    show_stat("of-1005");
    show_stat("made");
    show_stat("made-by-7");
    MUST(chdir("/"));
    out("-- no map\n");
    finish(in_userns(0, 1000, unmapped));
    out("-- seen from outside\n");
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int one = 1;
    MUST(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    pid_t pid = FORK(MUST(unshare(CLONE_NEWUSER)); MUST(write_proc(0, "uid_map", "5 0 1", 0)); MUST(write(pair[1], "x", 1)));
    char byte, control[128];
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    MUST(recvmsg(pair[0], &message, 0));
    struct ucred *sender = (struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&message));
    out("sender %u:%u\n", sender->uid, sender->gid);
    reap(pid);
    char command[128];
    snprintf(command, sizeof command, "%s/", directory);
    for (const char *const *name = (const char *const[]){"of-1000", "of-1005", "of-3000", "made", "made-by-7", "fifo", NULL}; *name; name++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", directory, *name);
        if (unlink(path))
            rmdir(path);
    }
    rmdir(directory);
    return 0;
}
