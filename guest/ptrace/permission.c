/*
 * permission -- who may trace whom: ids, capabilities, dumpability; set-id programs lose their privilege under a tracer
 * guest: needs=root
 */
#include "guest.h"
#include "ptrace.h"
#include <sys/prctl.h>
#include <grp.h>
#include <sys/uio.h>

static int ready[2];

static pid_t target(uid_t real, uid_t effective, uid_t saved, int dumpable)
{
    char byte;
    pid_t pid = FORK({
        MUST(setresgid(1000, 1000, 1000));
        MUST(setgroups(0, NULL));
        MUST(setresuid(real, effective, saved));
        MUST(prctl(PR_SET_DUMPABLE, dumpable));
        write(ready[1], "r", 1);
        for (;;)
            pause();
    });
    read(ready[0], &byte, 1);
    return pid;
}

static void attempt(const char *text, uid_t uid, gid_t gid, pid_t pid)
{
    pid_t tracer = FORK({
        if (gid)
            MUST(setresgid(gid, gid, gid));
        if (uid)
            MUST(setresuid(uid, uid, uid));
        long result = ptrace(PTRACE_SEIZE, pid, 0, 0);
        out("%s: %s", text, result == -1 ? errno_name(errno) : "ok");
        char buffer[4];
        struct iovec local = {buffer, 4};
        struct iovec remote = {(void *)&ready, 4};
        result = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        out(", memory: %s\n", result == -1 ? errno_name(errno) : "ok");
    });
    reap(tracer);
}

int main(void)
{
    NEED_ROOT;
    MUST(pipe(ready));
    pid_t pid = target(1000, 1000, 1000, 1);
    attempt("same ids", 1000, 1000, pid);
    attempt("other uid", 1001, 1000, pid);
    attempt("other gid", 1000, 1001, pid);
    attempt("root", 0, 0, pid);
    kill(pid, SIGKILL);
    reap(pid);
    pid = target(1000, 1000, 1000, 0);
    attempt("undumpable, same ids", 1000, 1000, pid);
    attempt("undumpable, root", 0, 0, pid);
    kill(pid, SIGKILL);
    reap(pid);
    pid = target(1000, 1000, 0, 1);
    attempt("saved uid 0", 1000, 1000, pid);
    kill(pid, SIGKILL);
    reap(pid);
    pid = target(1000, 1001, 1000, 1);
    attempt("other effective uid", 1000, 1000, pid);
    kill(pid, SIGKILL);
    reap(pid);

    /* TRACEME needs a parent with no fewer capabilities. */
    pid = FORK({
        int go[2];
        char byte;
        MUST(pipe(go));
        pid_t child = FORK({
            read(go[0], &byte, 1);
            TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
        });
        MUST(setresuid(1000, 1000, 1000));
        write(go[1], "x", 1);
        reap(child);
    });
    reap(pid);
    return 0;
}
