/*
 * user_ptrace -- who may trace, read and compare whom across user namespaces, and whose numbers the signals show
 * guest: needs=root
 */
#include "userns.h"
#include <linux/kcmp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int word = 1;

static void become(int uid)
{
    if (uid) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(uid, uid, uid));
        MUST(setresuid(uid, uid, uid));
        prctl(PR_SET_DUMPABLE, 1);
    }
}

/* Try everything that asks whether the caller may trace `pid`. */
static void attempt(const char *text, pid_t pid)
{
    char path[64];
    int buffer;
    struct iovec local = {&buffer, sizeof buffer}, remote = {&word, sizeof word};
    out("%s:", text);
    out(" vm %s", process_vm_readv(pid, &local, 1, &remote, 1, 0) == -1 ? errno_name(errno) : "ok");
    out(", kcmp %s", syscall(SYS_kcmp, pid, pid, KCMP_FILES, 0, 0) == -1 ? errno_name(errno) : "ok");
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDONLY);
    out(", mem %s", fd == -1 ? errno_name(errno) : "ok");
    close(fd);
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    out(", link %s", readlink(path, path, sizeof path) == -1 ? errno_name(errno) : "ok");
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) == -1)
        out(", trace %s\n", errno_name(errno));
    else
        out(", trace ok\n");
}

/* Wait until a child or tracee stops. */
static void stopped(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, WUNTRACED | __WALL) != pid || !WIFSTOPPED(status))
        out("not stopped: %s\n", status_name(status));
}

static pid_t target;

static void try_target(void)
{
    attempt("  from a namespace beside it", target);
}

static void try_parent(void)
{
    attempt("child in a new namespace, its parent", getppid());
    out("kill 0: %s\n", kill(getppid(), 0) ? errno_name(errno) : "ok");
}

static void try_all(const char *name, int owner)
{
    static const int uids[] = {0, 1000, 1001};
    out("%s\n", name);
    for (int i = 0; i < 3; i++) {
        pid_t tracer = FORK({
            become(uids[i]);
            char text[32];
            snprintf(text, sizeof text, "  as %d", uids[i]);
            attempt(text, target);
        });
        reap(tracer);
    }
    struct helper beside = in_userns(0, owner, try_target);
    finish(beside);
}

static void nested(void)
{
    struct helper below = in_userns(0, 0, NULL);
    attempt("a namespace below one's own", below.pid);
    finish(below);
}

static void traceme(void)
{
    out("new namespace, TRACEME: %s\n", ptrace(PTRACE_TRACEME, 0, 0, 0) ? errno_name(errno) : "ok");
}

/* What a tracer of a process in a namespace that calls 1000 root sees of a signal from `uid`. */
static void numbers(int uid)
{
    struct helper child = in_userns(0, 1000, NULL);
    MUST(write_proc(child.pid, "setgroups", "deny", 0));
    MUST(write_proc(child.pid, "uid_map", "0 1000 1", 0));
    pid_t tracer = FORK({
        siginfo_t info;
        become(uid);
        MUST(ptrace(PTRACE_SEIZE, child.pid, 0, 0));
        MUST(kill(child.pid, SIGUSR1));
        stopped(child.pid);
        MUST(ptrace(PTRACE_GETSIGINFO, child.pid, 0, &info));
        out("signal from %d: uid %d\n", uid, info.si_uid);
        memset(&info, 0, sizeof info);
        MUST(ptrace(PTRACE_CONT, child.pid, 0, 0));
        MUST(ptrace(PTRACE_INTERRUPT, child.pid, 0, 0));
        MUST(waitid(P_PID, child.pid, &info, WSTOPPED));
        out("waitid of %d: uid %d\n", uid, info.si_uid);
    });
    reap(tracer);
    finish(child);
}

int main(void)
{
    NEED_ROOT;
    pid_t plain = target = FORK({
        become(1000);
        raise(SIGSTOP);
    });
    stopped(plain);
    try_all("target of 1000", 1000);
    MUST(kill(plain, SIGKILL));
    reap(plain);

    struct helper child = in_userns(0, 1000, NULL);
    target = child.pid;
    try_all("target in a namespace of 1000", 1000);
    try_all("the same, seen from one of 1001", 1001);
    finish(child);
    child = in_userns(0, 0, NULL);
    target = child.pid;
    try_all("target in a namespace of root", 1000);
    finish(child);

    reap(FORK({
        become(1000);
        struct helper inside = in_userns(0, 0, try_parent);
        finish(inside);
    }));
    child = in_userns(0, 1000, nested);
    MUST(write_proc(child.pid, "setgroups", "deny", 0));
    MUST(write_proc(child.pid, "gid_map", "0 1000 1", 0));
    MUST(write_proc(child.pid, "uid_map", "0 1000 1", 0));
    finish(child);

    /* TRACEME asks the same of the parent. */
    child = in_userns(0, 1000, traceme);
    finish(child);
    reap(FORK({
        become(1000);
        int go[2];
        char byte;
        MUST(pipe(go));
        pid_t below = FORK({
            read(go[0], &byte, 1);
            out("parent in a new namespace, TRACEME: %s\n", ptrace(PTRACE_TRACEME, 0, 0, 0) ? errno_name(errno) : "ok");
        });
        MUST(unshare(CLONE_NEWUSER));
        write(go[1], "x", 1);
        reap(below);
    }));
    numbers(0);
    numbers(1000);
    return 0;
}
