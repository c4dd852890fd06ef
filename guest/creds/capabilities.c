/*
 * capabilities -- capget and capset: what changing uids does to the sets, dropping, raising, bounding set, ambient, securebits
 * guest: needs=root
 */
#include "guest.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#define KILL_BIT (1U << CAP_KILL)
#define CHOWN_BIT (1U << CAP_CHOWN)

static void get(struct __user_cap_data_struct data[2])
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    memset(data, 0, 2 * sizeof *data);
    MUST(syscall(SYS_capget, &header, data));
}

static long set(unsigned effective, unsigned permitted, unsigned inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}};
    return syscall(SYS_capset, &header, data);
}

static void show(const char *when)
{
    struct __user_cap_data_struct data[2];
    get(data);
    out("%s: effective %s permitted %s inheritable %s\n", when,
        data[0].effective == 0 ? "none" : data[0].effective == KILL_BIT ? "KILL" : data[0].effective & CHOWN_BIT ? "many" : "some",
        data[0].permitted == 0 ? "none" : data[0].permitted == KILL_BIT ? "KILL" : data[0].permitted & CHOWN_BIT ? "many" : "some",
        data[0].inheritable == 0 ? "none" : data[0].inheritable == KILL_BIT ? "KILL" : "some");
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        show("  after exec");
        return 0;
    }
    NEED_ROOT;
    reap(FORK({
        show("root");
        setresuid(1000, 1000, 0);
        show("effective uid 1000, saved 0");
        setresuid(-1, 0, -1);
        show("effective uid 0 again");
        setresuid(1000, 1000, 1000);
        show("all uids 1000");
    }));
    reap(FORK({
        prctl(PR_SET_KEEPCAPS, 1);
        setresuid(1000, 1000, 1000);
        show("keepcaps");
        TRY(set(KILL_BIT, KILL_BIT, 0));
        show("only KILL");
        TRY(kill(1, 0));
        TRY(set(CHOWN_BIT, CHOWN_BIT, 0));
        TRY(set(0, KILL_BIT, 0));
        TRY(kill(1, 0));
        TRY(set(KILL_BIT, 0, 0));
        TRY(set(0, 0, 0));
        show("nothing");
    }));
    reap(FORK({
        TRY(prctl(PR_CAPBSET_READ, CAP_KILL));
        TRY(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
        TRY(prctl(PR_CAPBSET_READ, CAP_CHOWN));
        TRY(prctl(PR_CAPBSET_READ, 99));
        execl("/proc/self/exe", "x", "y", (char *)NULL);
    }));
    reap(FORK({
        prctl(PR_SET_KEEPCAPS, 1);
        setresuid(1000, 1000, 1000);
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
        set(KILL_BIT, KILL_BIT, KILL_BIT);
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
        execl("/proc/self/exe", "x", "y", (char *)NULL);
    }));
    reap(FORK({
        TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
        setresuid(1000, 1000, 1000);
        show("NO_SETUID_FIXUP");
    }));
    reap(FORK({
        TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
        TRY(prctl(PR_SET_SECUREBITS, 0));
        out("NOROOT, exec as root\n");
        execl("/proc/self/exe", "x", "y", (char *)NULL);
    }));
    struct __user_cap_header_struct header = {0x12345, 0};
    struct __user_cap_data_struct data[2];
    TRY(syscall(SYS_capget, &header, data));
    out("version offered %#x\n", header.version);
    header.version = _LINUX_CAPABILITY_VERSION_3;
    header.pid = 999999;
    TRY(syscall(SYS_capget, &header, data));
    header.pid = -1;
    TRY(syscall(SYS_capget, &header, data));
    pid_t child = FORK(pause());
    header.pid = child;
    TRY(syscall(SYS_capget, &header, data));
    TRY(syscall(SYS_capset, &header, data));
    kill(child, SIGKILL);
    reap(child);
    return 0;
}
