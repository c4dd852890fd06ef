/*
 * 38-proc-mount-dead-ns -- a proc file system mounted by a namespace's init, looked at after the namespace is gone
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int init(void)
{
    say("mount", "%s", result(mount("proc", "/tmp", "proc", 0, NULL)));
    say("numbers-inside", "%d", count_numbers("/tmp"));
    return 0;
}

static int holder(void)
{
    if (unshare(CLONE_NEWNS) == -1)
        skip("needs the right to make mount namespaces");
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    WAIT("init", spawn_init("I", init), 0);
    say("numbers", "%d", count_numbers("/tmp"));
    say("status-of-1", "%s", result(open("/tmp/1/status", O_RDONLY)));
    char link[64];
    say("self", "%s", result(readlink("/tmp/self", link, sizeof link)));
    say("uptime", "%s", result(access("/tmp/uptime", F_OK)));
    say("umount", "%s", result(umount("/tmp")));
    return 0;
}

static void scenario(void)
{
    WAIT("holder", spawn("H", holder), 0);
}
