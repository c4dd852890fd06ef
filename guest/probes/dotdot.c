/*
 * dotdot -- ways that might lead above the root directory: dots, links, descriptors, /proc, chroot
 *
 * Each line says whether a way led to another root. In the machine none may; on a host the tricks with chroot work for root,
 * so the outputs are not compared.
 * guest: native=probe needs=root
 */
#include "guest.h"

static struct stat root;

static void report(const char *what, const char *path)
{
    struct stat st;
    if (stat(path, &st))
        out("%s: %s\n", what, errno_name(errno));
    else
        out("%s: %s\n", what, st.st_ino == root.st_ino && st.st_dev == root.st_dev ? "the same root" : "ESCAPED");
}

int main(void)
{
    char path[4096];
    struct stat st;
    stat("/", &root);
    report("..", "/..");
    report("many ..", "/../../../../../../../../../..");
    report("/proc/self/root", "/proc/self/root/");
    report("/proc/1/root", "/proc/1/root/");
    report("/proc/self/root/..", "/proc/self/root/..");
    report("/proc/self/cwd from /", (chdir("/"), "/proc/self/cwd/"));
    mkdir("/tmp/probe", 0755);
    symlink("/../../..", "/tmp/probe/up");
    report("absolute link with ..", "/tmp/probe/up/");
    symlink("../../../../../..", "/tmp/probe/rel");
    report("relative link", "/tmp/probe/rel/");
    int fd = open("/", O_PATH | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d/..", fd);
    report("descriptor of / and ..", path);
    if (fstatat(fd, "..", &st, 0) == 0)
        out("openat(fd of /, ..): %s\n", st.st_ino == root.st_ino ? "the same root" : "ESCAPED");
    chdir("/tmp/probe");
    for (int i = 0; i < 50; i++)
        chdir("..");
    stat(".", &st);
    out("chdir .. fifty times: %s\n", st.st_ino == root.st_ino ? "the same root" : "ESCAPED");
    out("cwd %s\n", getcwd(path, sizeof path));
    /* The classic way out of a chroot: keep a descriptor outside of the new root. It may lead to the machine's root, not above. */
    mkdir("/tmp/probe/jail", 0755);
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/tmp/probe/jail") == 0) {
        fchdir(outside);
        for (int i = 0; i < 50; i++)
            chdir("..");
        stat(".", &st);
        out("out of a chroot by a descriptor: %s\n", st.st_ino == root.st_ino && st.st_dev == root.st_dev ? "the same root" : "ESCAPED");
        chroot(".");
    } else
        out("chroot: %s\n", errno_name(errno));
    chdir("/");
    unlink("/tmp/probe/up");
    unlink("/tmp/probe/rel");
    rmdir("/tmp/probe/jail");
    rmdir("/tmp/probe");
    return 0;
}
