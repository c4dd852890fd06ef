/*
 * yama -- who may attach to whom at each ptrace_scope
 * guest: needs=root native=probe
 */
#include "guest.h"
#include "ptrace.h"
#include <sys/prctl.h>
#include <grp.h>
#include <sys/uio.h>

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif
#define SCOPE "/proc/sys/kernel/yama/ptrace_scope"

static int word = 42;

static void drop(void)
{
    MUST(setgroups(0, NULL));
    MUST(setresgid(1000, 1000, 1000));
    MUST(setresuid(1000, 1000, 1000));
    MUST(prctl(PR_SET_DUMPABLE, 1));
}

/* Try to look into and to attach to `pid` in all the ways there are. */
static void attempt(const char *text, pid_t pid)
{
    int value;
    char path[64];
    struct iovec local = {&value, sizeof value}, remote = {&word, sizeof word};
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int memory = open(path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    int maps = open(path, O_RDONLY);
    long peek = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    long compared = syscall(SYS_kcmp, pid, pid, 1L, 0L, 0L);
    long seized = ptrace(PTRACE_SEIZE, pid, 0, 0);
    out("%s: attach %s, read %s, mem %s; maps %s, kcmp %s\n", text, seized ? "no" : "yes", peek == -1 ? "no" : "yes",
        memory < 0 ? "no" : "yes", maps < 0 ? "no" : "yes", compared ? "no" : "yes");
    close(memory);
    close(maps);
    if (!seized) {
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        waitpid(pid, NULL, __WALL);
        ptrace(PTRACE_DETACH, pid, 0, 0);
    }
}

/* A process that names `tracer` (0: nobody, -1: anybody) and sleeps. */
static pid_t victim(long tracer)
{
    int ends[2];
    char byte;
    MUST(pipe(ends));
    pid_t pid = FORK({
        drop();
        if (tracer)
            TRY(prctl(PR_SET_PTRACER, tracer == -1 ? -1L : tracer == -2 ? 0x3ffffeL : getppid(), 0, 0, 0));
        write(ends[1], "r", 1);
        pause();
    });
    read(ends[0], &byte, 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

int main(int count, char **words)
{
    char scope[8] = "";
    int fd = open(SCOPE, O_RDWR);
    if (fd < 0) {
        out("no Yama\n");
        return 0;
    }
    read(fd, scope, sizeof scope);
    out("scope %s", scope);
    for (int privileged = 0; privileged < 2; privileged++) {
        out("-- %s\n", privileged ? "with CAP_SYS_PTRACE" : "without privilege");
        pid_t stranger = victim(0), open_one = victim(-1), wrong = victim(-2);
        pid_t named = victim(1); /* names its parent: this process */
        reap(FORK({
            if (!privileged)
                drop();
            pid_t child = FORK({ pause(); });
            attempt("own child", child);
            attempt("sibling", stranger);
            attempt("lets anybody", open_one);
            attempt("named a process that is not there", wrong);
            attempt("named an ancestor", named);
            kill(child, SIGKILL);
            reap(child);
            child = FORK({
                long result = ptrace(PTRACE_TRACEME, 0, 0, 0);
                out("traceme: %s\n", result ? "no" : "yes");
            });
            reap(child);
        }));
        pid_t pids[] = {stranger, open_one, wrong, named};
        for (int i = 0; i < 4; i++) {
            kill(pids[i], SIGKILL);
            reap(pids[i]);
        }
    }
    out("-- setting it\n");
    TRY(pwrite(fd, "4", 1, 0));
    TRY(pwrite(fd, "-1", 2, 0));
    TRY(pwrite(fd, "2", 1, 0));
    TRY(pwrite(fd, "3", 1, 0));
    TRY(pwrite(fd, "3", 1, 0));
    TRY(pwrite(fd, "0", 1, 0));
    TRY(prctl(PR_SET_PTRACER, 1, 0, 0, 0));
    TRY(prctl(PR_SET_PTRACER, 0, 0, 0, 0));
    TRY(prctl(PR_SET_PTRACER, 0x3ffffe, 0, 0, 0));
    return 0;
}
