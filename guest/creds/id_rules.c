/*
 * id_rules -- every rule of changing ids, groups and capabilities, as root and as an ordinary user
 *
 * guest: needs=root
 */
#include "guest.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define N (-1)
/* The root of a container may lack CAP_SYS_RESOURCE. */
#define HERE (~(1u << CAP_SYS_RESOURCE))
static void show(const char *what)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    syscall(SYS_getresuid, &r, &e, &s);
    syscall(SYS_getresgid, &rg, &eg, &sg);
    syscall(SYS_capget, &h, d);
    int fu = syscall(SYS_setfsuid, -1), fg = syscall(SYS_setfsgid, -1);
    out("%s: uid %d %d %d fs %d gid %d %d %d fs %d eff %x.%x perm %x.%x inh %x dump %d\n", what, r, e, s, fu, rg, eg, sg, fg,
        d[1].effective & 0xff, d[0].effective & HERE, d[1].permitted & 0xff, d[0].permitted & HERE, d[0].inheritable, prctl(PR_GET_DUMPABLE));
}
#define IN_CHILD(...) do { pid_t in_child = FORK({ __VA_ARGS__; }); int child_status = reap(in_child); if (child_status) out("child %s\n", status_name(child_status)); } while (0)
static long setcap(unsigned eff, unsigned perm, unsigned inh)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{eff, perm, inh}, {0, 0, 0}};
    return syscall(SYS_capset, &h, d);
}
static int next_id(int i) { static const int ids[] = {N, 0, 1, 2, 3, 4}; return ids[i]; }

int main(void)
{
    NEED_ROOT;
    show("start");
    IN_CHILD(TRY(syscall(SYS_setuid, 5)); show("setuid"); TRY(syscall(SYS_setuid, 0)); TRY(syscall(SYS_setuid, 5)));
    IN_CHILD(TRY(syscall(SYS_setuid, -1)); TRY(syscall(SYS_setgid, -1)));
    IN_CHILD(TRY(syscall(SYS_setgid, 5)); show("setgid"); TRY(syscall(SYS_setgid, 0)));
    IN_CHILD(TRY(syscall(SYS_setreuid, 1, 2)); show("setreuid"); TRY(syscall(SYS_setuid, 2)); show("setuid"); TRY(syscall(SYS_setuid, 1)); show("setuid"));
    IN_CHILD(TRY(syscall(SYS_setresuid, -1, 7, -1)); show("euid"); TRY(syscall(SYS_setresuid, -1, 0, -1)); show("back"));
    IN_CHILD(TRY(syscall(SYS_setresuid, 7, 0, 7)); show("ruid suid"); TRY(syscall(SYS_setresuid, -1, 7, -1)); show("gone"); TRY(syscall(SYS_setresuid, -1, 0, -1)));
    IN_CHILD(TRY(syscall(SYS_setfsuid, 9)); show("fsuid"); TRY(syscall(SYS_setfsuid, 0)); show("back"));
    IN_CHILD(TRY(syscall(SYS_setfsgid, 9)); show("fsgid"); TRY(syscall(SYS_setfsgid, 0)); show("back"));
    IN_CHILD(TRY(prctl(PR_SET_KEEPCAPS, 1)); TRY(syscall(SYS_setresuid, 5, 5, 5)); show("keepcaps"); TRY(setcap(0xff, 0xff, 0)); show("raised"));
    IN_CHILD(TRY(prctl(PR_SET_KEEPCAPS, 2)); TRY(prctl(PR_GET_KEEPCAPS)));
    IN_CHILD(TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)); TRY(syscall(SYS_setresuid, 5, 5, 5)); show("no fixup"));
    IN_CHILD(TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED)); TRY(prctl(PR_SET_KEEPCAPS, 1)); TRY(prctl(PR_SET_SECUREBITS, 0)); TRY(prctl(PR_GET_SECUREBITS)));
    IN_CHILD(TRY(prctl(PR_SET_SECUREBITS, 0x100000)); TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED)); TRY(prctl(PR_GET_SECUREBITS)));
    /* every triple as an ordinary user with three different ids */
    for (int i = 0; i < 216; i++) {
        int r = next_id(i % 6), e = next_id(i / 6 % 6), s = next_id(i / 36);
        IN_CHILD(syscall(SYS_setresgid, 1, 2, 3); syscall(SYS_setresuid, 1, 2, 3);
                 long a = syscall(SYS_setresgid, r, e, s); long b = syscall(SYS_setresuid, r, e, s);
                 char t[40]; snprintf(t, sizeof t, "%d %d %d: %ld %ld", r, e, s, a, b); show(t));
    }
    for (int i = 0; i < 36; i++) {
        int r = next_id(i % 6), e = next_id(i / 6);
        for (int root = 0; root < 2; root++)
            IN_CHILD(if (!root) { syscall(SYS_setresgid, 1, 2, 3); syscall(SYS_setresuid, 1, 2, 3); }
                     long a = syscall(SYS_setregid, r, e); long b = syscall(SYS_setreuid, r, e);
                     char t[40]; snprintf(t, sizeof t, "re %d %d: %ld %ld", r, e, a, b); show(t));
    }
    for (int i = 0; i < 6; i++)
        IN_CHILD(syscall(SYS_setresgid, 1, 2, 3); syscall(SYS_setresuid, 1, 2, 3);
                 long a = syscall(SYS_setgid, next_id(i)); long b = syscall(SYS_setuid, next_id(i));
                 long c = syscall(SYS_setfsgid, next_id(i)); long d = syscall(SYS_setfsuid, next_id(i));
                 char t[50]; snprintf(t, sizeof t, "%d: %ld %ld %ld %ld", next_id(i), a, b, c, d); show(t));
    /* groups */
    gid_t g[5] = {9, 3, 7, 3, 1};
    IN_CHILD(TRY(syscall(SYS_setgroups, 5, g)); TRY(syscall(SYS_getgroups, 0, NULL)); TRY(syscall(SYS_getgroups, 4, g)); TRY(syscall(SYS_getgroups, -1, g));
             TRY(syscall(SYS_getgroups, 5, 8)); TRY(syscall(SYS_getgroups, 5, g)); out("%d %d %d %d %d\n", g[0], g[1], g[2], g[3], g[4]);
             TRY(syscall(SYS_setgroups, 65537, g)); TRY(syscall(SYS_setgroups, -1, g)); TRY(syscall(SYS_setgroups, 2, 8)); g[1] = -1; TRY(syscall(SYS_setgroups, 2, g));
             TRY(syscall(SYS_setgroups, 0, NULL)); TRY(syscall(SYS_getgroups, 0, NULL)); TRY(syscall(SYS_setuid, 4)); TRY(syscall(SYS_setgroups, 0, NULL)));
    /* capabilities */
    struct __user_cap_header_struct h = {0x12345678, 0};
    struct __user_cap_data_struct d[2] = {};
    TRY(syscall(SYS_capget, &h, NULL));
    out("version %x\n", h.version);
    h.version = 1;
    TRY(syscall(SYS_capget, &h, d));
    h.version = _LINUX_CAPABILITY_VERSION_3;
    h.pid = -1;
    TRY(syscall(SYS_capget, &h, d));
    h.pid = 0x3fffff;
    TRY(syscall(SYS_capget, &h, d));
    TRY(syscall(SYS_capset, &h, d));
    h.pid = 0;
    TRY(syscall(SYS_capget, &h, 8));
    TRY(syscall(SYS_capget, 8, d));
    TRY(syscall(SYS_capset, &h, 8));
    h.version = 0;
    TRY(syscall(SYS_capset, &h, d));
    out("version %x\n", h.version);
    h.version = _LINUX_CAPABILITY_VERSION_1;
    TRY(syscall(SYS_capget, &h, d));
    IN_CHILD(TRY(setcap(1, 3, 0)); show("capset"); TRY(setcap(4, 3, 0)); TRY(setcap(1, 7, 0)); TRY(setcap(0, 1, 1)); TRY(setcap(0, 1, 4)); show("capset"));
    IN_CHILD(TRY(setcap(0x100, 0x103, 0)); TRY(setcap(0x100, 0x103, 0xf00)); show("capset"); TRY(setcap(0, 0x103, 0xf00)); TRY(setcap(0, 0, 0x1f00)));
    IN_CHILD(TRY(prctl(PR_CAPBSET_READ, 3)); TRY(prctl(PR_CAPBSET_DROP, 3)); TRY(prctl(PR_CAPBSET_READ, 3)); TRY(prctl(PR_CAPBSET_READ, 41)); TRY(prctl(PR_CAPBSET_READ, -1));
             TRY(prctl(PR_CAPBSET_DROP, 41)); TRY(setcap(~0u, ~0u, 8)); setcap(0, 0, 0); TRY(prctl(PR_CAPBSET_DROP, 41)));
    IN_CHILD(TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 3, 0, 0)); TRY(setcap(8, 0xff, 8)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 3, 0, 0));
             TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 3, 0, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 3, 1, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 41, 0, 0));
             TRY(prctl(PR_CAP_AMBIENT, 7, 3, 0, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 3, 0, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 3, 0, 0));
             prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 3, 0, 0); TRY(setcap(0, 0xff, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 3, 0, 0));
             TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0)); TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)));
    /* death signal and dumpability */
    IN_CHILD(prctl(PR_SET_PDEATHSIG, 5); int s; TRY(syscall(SYS_setfsuid, 3)); prctl(PR_GET_PDEATHSIG, &s); out("pdeath %d dump %d\n", s, prctl(PR_GET_DUMPABLE));
             TRY(prctl(PR_SET_DUMPABLE, 1)); TRY(prctl(PR_SET_DUMPABLE, 2)); TRY(prctl(PR_SET_DUMPABLE, -1)); prctl(PR_SET_PDEATHSIG, 6); TRY(setcap(0, 0, 0)); prctl(PR_GET_PDEATHSIG, &s);
             out("pdeath %d dump %d\n", s, prctl(PR_GET_DUMPABLE)));
    return wrong;
}
