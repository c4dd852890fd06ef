/*
 * mount_calls -- mount, umount2, pivot_root and chroot: flags, errors, remounts, expiry, what is busy, nested roots
 * guest: needs=root
 */
#include "mounts.h"

static int pivot(const char *new_root, const char *put_old) { return syscall(SYS_pivot_root, new_root, put_old); }

static void pivoted(void)
{
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("root", "root", "tmpfs", 0, NULL));
    dirs("root/old root/proc root/dir");
    MUST(mount("/proc", "root/proc", NULL, MS_BIND, NULL));
    TRY(pivot("root/dir", "root/dir"));
    TRY(pivot("root", "a"));
    TRY(pivot("root", "/"));
    TRY(pivot("/", "root/old"));
    TRY(pivot("root", "root/none"));
    TRY(pivot("none", "root/old"));
    close(MUST(open("root/file", O_CREAT | O_WRONLY, 0644)));
    TRY(pivot("root/file", "root/old"));
    TRY(pivot("root", "root/file"));
    MUST(mount(NULL, "root", NULL, MS_SHARED, NULL));
    TRY(pivot("root", "root/old"));
    MUST(mount(NULL, "root", NULL, MS_PRIVATE, NULL));
    TRY(pivot("root", "root/old"));
    char here[PATH_MAX];
    TRY(access("/old/tmp", F_OK));
    TRY(access("/tmp", F_OK));
    TRY(getcwd(here, sizeof here) ? 0 : -1);
    out("cwd starts with /old: %d\n", strncmp(here, "/old/", 5) == 0);
    MUST(chdir("/"));
    TRY(umount2("/old", 0));
    TRY(umount2("/old", MNT_DETACH));
    TRY(access("/old/tmp", F_OK));
    TRY(umount2("/", 0));
    TRY(mkdir("/dir/x", 0755));
    TRY(chroot("dir"));
    TRY(access("/x", F_OK));
    TRY(chdir(".."));
    TRY(access("proc", F_OK));
    TRY(pivot(".", "proc"));
    TRY(unshare(CLONE_NEWUSER));
    TRY(chroot("."));
    TRY(access("x", F_OK));
    TRY(unshare(CLONE_NEWUSER));
}

static void pivot_in_place(void)
{
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("root", "root", "tmpfs", 0, NULL));
    MUST(chdir("root"));
    TRY(pivot(".", "."));
    TRY(umount2(".", MNT_DETACH));
    TRY(chdir("/"));
    TRY(mkdir("/made", 0755));
    TRY(access("/tmp", F_OK));
    TRY(mount("x", "/made", "tmpfs", 0xC0ED0000, NULL));
    struct stat one, two;
    MUST(stat("/", &one));
    MUST(stat("/..", &two));
    out("the root is its own parent: %d\n", one.st_ino == two.st_ino && one.st_dev == two.st_dev);
}

int main(void)
{
    private_place();
    dirs("a b root");
    close(MUST(open("file", O_CREAT | O_WRONLY, 0644)));
    out("-- mount\n");
    TRY(mount("x", "none", "tmpfs", 0, NULL));
    TRY(mount("x", "file", "tmpfs", 0, NULL));
    TRY(mount("x", "a", "nonsense", 0, NULL));
    TRY(mount("x", "a", "", 0, NULL));
    TRY(mount("x", "a", NULL, 0, NULL));
    TRY(mount(NULL, "a", "tmpfs", 0, NULL));
    TRY(mount("x", "a", "tmpfs", 0, "mode=9"));
    TRY(mount("x", "a", "tmpfs", 0, "nonsense=1"));
    TRY(mount("x", "a", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL));
    TRY(mount("x", "a", "tmpfs", MS_RDONLY | MS_STRICTATIME, NULL));
    TRY(mkdir("a/x", 0755));
    TRY(mount("x", "a", "tmpfs", MS_NODIRATIME | MS_RELATIME, NULL));
    show_mounts("three", 0);
    out("-- remount\n");
    TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    show_mounts("read-only", 0);
    TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
    show_mounts("mount flags only", 0);
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, NULL));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME | MS_RDONLY, NULL));
    show_mounts("and again", 0);
    TRY(mount(NULL, "b", NULL, MS_REMOUNT, NULL));
    TRY(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND, NULL));
    out("-- bind\n");
    TRY(mount("file", "b", NULL, MS_BIND, NULL));
    TRY(mount("b", "file", NULL, MS_BIND, NULL));
    TRY(mount("none", "b", NULL, MS_BIND, NULL));
    TRY(mount("", "b", NULL, MS_BIND, NULL));
    TRY(mount(NULL, "b", NULL, MS_BIND, NULL));
    TRY(mount("file", "file", NULL, MS_BIND | MS_RDONLY, NULL));
    TRY(mount("a", "b", NULL, MS_BIND, NULL));
    TRY(mount("/proc/self/ns/uts", "file", NULL, MS_BIND, NULL));
    TRY(mount("/proc/self/ns/mnt", "file", NULL, MS_BIND, NULL));
    TRY(mount("/proc/self/ns/uts", "b", NULL, MS_BIND, NULL));
    int fd = MUST(open("file", O_RDONLY));
    TRY(setns(fd, CLONE_NEWUTS));
    TRY(setns(fd, CLONE_NEWNET));
    close(fd);
    show_mounts("bound", 0);
    TRY(umount2("file", 0));
    TRY(umount2("file", 0));
    TRY(umount2("file", 0));
    out("-- move\n");
    TRY(mount("b", "root", NULL, MS_MOVE, NULL));
    TRY(mount("b", "root", NULL, MS_MOVE, NULL));
    TRY(mount("root", "file", NULL, MS_MOVE, NULL));
    TRY(mount(place, "root", NULL, MS_MOVE, NULL));
    TRY(mount("", "root", NULL, MS_MOVE, NULL));
    show_mounts("moved", 0);
    out("-- umount\n");
    TRY(umount2("none", 0));
    TRY(umount2("b", 0));
    TRY(umount2("a", 0x10));
    TRY(umount2("a", MNT_EXPIRE | MNT_DETACH));
    TRY(umount2("a", MNT_EXPIRE));
    TRY(umount2("a", MNT_EXPIRE));
    fd = MUST(open("a", O_RDONLY));
    TRY(umount2("a", MNT_EXPIRE));
    TRY(umount2("a", 0));
    TRY(umount2("a", MNT_DETACH));
    TRY(faccessat(fd, ".", F_OK, 0));
    close(fd);
    TRY(umount2("a", 0));
    TRY(umount2("a", 0));
    TRY(symlink("root", "link") ? -1 : 0);
    TRY(umount2("link", 8));
    TRY(umount2("link", 0));
    MUST(mount("x", "a", "tmpfs", 0, NULL));
    pid_t pid = FORK(MUST(chdir("a")); pause());
    sleep_ms(50);
    TRY(umount2("a", 0));
    kill(pid, SIGKILL);
    reap(pid);
    TRY(rmdir("a"));
    TRY(rename("a", "c"));
    TRY(umount2("a", 0));
    out("-- pivot_root\n");
    reap(FORK(pivoted()));
    out("-- in place\n");
    reap(FORK(pivot_in_place()));
    leave_place();
    return 0;
}
