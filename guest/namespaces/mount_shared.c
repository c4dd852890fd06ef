/*
 * mount_shared -- shared subtrees: peers, slaves, private and unbindable mounts; mount, bind, move, umount and copies among them
 * guest: needs=root
 */
#include "mounts.h"

static void in_copy(const char *title, void (*body)(void))
{
    int ready[2], go[2];
    char byte;
    MUST(pipe(ready));
    MUST(pipe(go));
    pid_t pid = FORK(MUST(unshare(CLONE_NEWNS)); if (body) body(); MUST(write(ready[1], "r", 1)); MUST(read(go[0], &byte, 1)));
    MUST(read(ready[0], &byte, 1));
    show_mounts(title, pid);
    show_mounts("here", 0);
    MUST(write(go[1], "g", 1));
    reap(pid);
    close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
}

static void mount_in_a(void) { MUST(mount("new", "a/1", "tmpfs", 0, NULL)); }
static void slave_and_mount(void)
{
    MUST(mount(NULL, "a", NULL, MS_SLAVE, NULL));
    MUST(mount("ours", "a/2", "tmpfs", 0, NULL));
}

int main(void)
{
    private_place();
    dirs("a b c d");
    MUST(mount("a", "a", "tmpfs", 0, NULL));
    dirs("a/1 a/2 a/3");
    TRY(mount(NULL, "a/1", NULL, MS_SHARED, NULL));
    TRY(mount(NULL, "a", NULL, MS_SHARED | MS_PRIVATE, NULL));
    TRY(mount(NULL, "a", NULL, MS_SHARED | MS_RDONLY, NULL));
    TRY(mount(NULL, "a", NULL, MS_SHARED | MS_SILENT, NULL));
    show_mounts("shared", 0);
    TRY(mount("a", "b", NULL, MS_BIND, NULL));
    show_mounts("a peer", 0);
    TRY(mount("one", "a/1", "tmpfs", 0, NULL));
    TRY(mount("two", "b/2", "tmpfs", MS_NOSUID, NULL));
    show_mounts("each in both", 0);
    TRY(mount(NULL, "b", NULL, MS_SLAVE, NULL));
    TRY(mount("three", "a/3", "tmpfs", 0, NULL));
    TRY(umount2("b/1", 0));
    show_mounts("b is a slave", 0);
    TRY(umount2("a/2", 0));
    TRY(umount2("a/1", 0));
    show_mounts("a/2 goes in both, a/1 was only there", 0);
    TRY(mount(NULL, "b", NULL, MS_SHARED, NULL));
    TRY(mount("b", "c", NULL, MS_BIND, NULL));
    TRY(mount("four", "a/1", "tmpfs", 0, NULL));
    TRY(mount("five", "c/2", "tmpfs", 0, NULL));
    show_mounts("b shared slave, c its peer", 0);
    TRY(mount(NULL, "a", NULL, MS_PRIVATE, NULL));
    show_mounts("a private: its slaves are nobody's", 0);
    TRY(umount2("b", MNT_DETACH));
    TRY(umount2("c", MNT_DETACH));
    TRY(umount2("a", MNT_DETACH));
    show_mounts("gone", 0);

    out("== chains of slaves\n");
    MUST(mount("a", "a", "tmpfs", 0, NULL));
    MUST(mount(NULL, "a", NULL, MS_SHARED, NULL));
    dirs("a/1 a/2 a/3");
    MUST(mount("a", "b", NULL, MS_BIND, NULL));
    MUST(mount(NULL, "b", NULL, MS_SLAVE, NULL));
    MUST(mount(NULL, "b", NULL, MS_SHARED, NULL));
    MUST(mount("b", "c", NULL, MS_BIND, NULL));
    MUST(mount(NULL, "c", NULL, MS_SLAVE, NULL));
    MUST(mount("c", "d", NULL, MS_BIND, NULL));
    TRY(mount("chain", "a/1", "tmpfs", 0, NULL));
    show_mounts("a, b, c and d", 0);
    TRY(umount2("b", MNT_DETACH));
    show_mounts("without b", 0);
    TRY(mount("later", "a/2", "tmpfs", 0, NULL));
    show_mounts("and later", 0);
    TRY(umount2("a", MNT_DETACH));
    TRY(umount2("c", MNT_DETACH));
    TRY(umount2("d", MNT_DETACH));

    out("== unbindable\n");
    MUST(mount("a", "a", "tmpfs", 0, NULL));
    dirs("a/1 a/2 a/3");
    TRY(mount("u", "a/1", "tmpfs", 0, NULL));
    TRY(mount(NULL, "a/1", NULL, MS_UNBINDABLE, NULL));
    TRY(mount("v", "a/2", "tmpfs", 0, NULL));
    TRY(mount("a/1", "b", NULL, MS_BIND, NULL));
    TRY(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
    show_mounts("left out", 0);
    TRY(mount(NULL, "a/1", NULL, MS_SLAVE, NULL));
    TRY(mount(NULL, "a/1", NULL, MS_UNBINDABLE, NULL));
    TRY(mount(NULL, "b", NULL, MS_SHARED, NULL));
    TRY(mount("a/1", "b/3", NULL, MS_MOVE, NULL));
    TRY(mount("a/2", "b/3", NULL, MS_MOVE, NULL));
    show_mounts("moved", 0);
    TRY(mount("b/3", "a/2", NULL, MS_MOVE, NULL));
    TRY(umount2("b", MNT_DETACH));
    TRY(umount2("a", MNT_DETACH));

    out("== subtrees and directories\n");
    MUST(mount("a", "a", "tmpfs", 0, NULL));
    dirs("a/1 a/1/x a/2 a/3");
    MUST(mount(NULL, "a", NULL, MS_SHARED, NULL));
    TRY(mount("a/1", "b", NULL, MS_BIND, NULL));
    TRY(mount("in", "a/1/x", "tmpfs", 0, NULL));
    TRY(mount("out", "a/2", "tmpfs", 0, NULL));
    show_mounts("b sees what is below its directory", 0);
    TRY(umount2("b/x", 0));
    show_mounts("unmounted there", 0);
    int fd = MUST(open("b", O_RDONLY));
    TRY(mount("busy", "a/1/x", "tmpfs", 0, NULL));
    int inside = MUST(open("b/x", O_RDONLY));
    TRY(umount2("a/1/x", 0));
    close(inside);
    TRY(umount2("a/1/x", 0));
    close(fd);
    TRY(umount2("b", 0));
    TRY(mount("first", "a/3", "tmpfs", 0, NULL));
    TRY(mount("second", "a/3", "tmpfs", 0, NULL));
    show_mounts("on top of each other", 0);
    TRY(umount2("a/3", 0));
    TRY(umount2("a/3", 0));
    TRY(umount2("a/3", 0));

    out("== names that go\n");
    MUST(mount(NULL, "a", NULL, MS_PRIVATE, NULL));
    dirs("a/gone a/stays");
    int ready[2], go[2];
    char byte;
    MUST(pipe(ready));
    MUST(pipe(go));
    pid_t other = FORK(MUST(unshare(CLONE_NEWNS)); MUST(mount("there", "a/gone", "tmpfs", 0, NULL)); MUST(write(ready[1], "r", 1));
                       MUST(read(go[0], &byte, 1)); show_mounts("over there", 0));
    MUST(read(ready[0], &byte, 1));
    TRY(rmdir("a/gone"));
    MUST(mount("here", "a/stays", "tmpfs", 0, NULL));
    TRY(rmdir("a/stays"));
    TRY(rename("a/stays", "a/elsewhere"));
    MUST(write(go[1], "g", 1));
    reap(other);
    TRY(umount2("a/stays", 0));
    TRY(rename("a/stays", "a/elsewhere"));
    dirs("a/over a/under");
    other = FORK(MUST(unshare(CLONE_NEWNS)); MUST(mount("there", "a/under", "tmpfs", 0, NULL)); MUST(write(ready[1], "r", 1));
                 MUST(read(go[0], &byte, 1)); show_mounts("over there", 0));
    MUST(read(ready[0], &byte, 1));
    TRY(rename("a/over", "a/under"));
    MUST(write(go[1], "g", 1));
    reap(other);
    MUST(mount(NULL, "a", NULL, MS_SHARED, NULL));
    out("== namespaces\n");
    in_copy("a copy is a peer", mount_in_a);
    in_copy("a slave", slave_and_mount);
    show_mounts("after", 0);
    TRY(mount(".", "c", NULL, MS_BIND | MS_REC, NULL));
    show_mounts("all of it", 0);
    TRY(mount(NULL, "c", NULL, MS_REC | MS_SLAVE, NULL));
    show_mounts("recursively slave", 0);
    TRY(mount("both", "a/1", "tmpfs", 0, NULL));
    show_mounts("both", 0);
    leave_place();
    return 0;
}
