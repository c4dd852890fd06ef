/*
 * ns_flags -- unshare, clone, clone3 and setns with every pair of flags, some in threes, as root and as a user: who is refused what
 * guest: needs=root timeout=120
 */
#include "guest.h"
#include "rawclone.h"
#include <sys/prctl.h>

struct flag {
    unsigned long bit;
    const char *name;
};

static const struct flag UNSHARE[] = {
    {0x80, "TIME"}, {0x100, "VM"}, {0x200, "FS"}, {0x400, "FILES"}, {0x800, "SIGHAND"}, {0x10000, "THREAD"}, {0x20000, "NS"},
    {0x40000, "SYSVSEM"}, {0x2000000, "CGROUP"}, {0x4000000, "UTS"}, {0x8000000, "IPC"}, {0x10000000, "USER"}, {0x20000000, "PID"},
    {0x40000000, "NET"}, {0x1000, "pidfd"},
};
static const struct flag CLONE[] = {
    {0x100, "VM"}, {0x200, "FS"}, {0x400, "FILES"}, {0x800, "SIGHAND"}, {0x8000, "PARENT"}, {0x10000, "THREAD"}, {0x20000, "NS"},
    {0x40000, "SYSVSEM"}, {0x400000, "DETACHED"}, {0x2000000, "CGROUP"}, {0x4000000, "UTS"}, {0x8000000, "IPC"},
    {0x10000000, "USER"}, {0x20000000, "PID"},
};
static const struct flag SETNS[] = {
    {0x80, "TIME"}, {0x20000, "NS"}, {0x2000000, "CGROUP"}, {0x4000000, "UTS"}, {0x8000000, "IPC"}, {0x10000000, "USER"},
    {0x20000000, "PID"}, {0x40000000, "NET"}, {0x200, "fs"}, {0x100, "vm"}, {0x1, "one"},
};
#define COUNT(table) (sizeof table / sizeof *table)

static int nothing(void *argument) { return 0; }

static unsigned long pidfd_target;

/* What one attempt answers: 0 or an errno. */
static int try_unshare(unsigned long flags) { return unshare(flags) ? errno : 0; }

static int try_clone(unsigned long flags)
{
    int parent_tid;
    return raw_clone(flags | SIGCHLD, new_stack(), &parent_tid, NULL, NULL, nothing, NULL) < 0 ? errno : 0;
}

/* unshare(2) by a process of two threads. */
static void *sleeper(void *argument)
{
    pause();
    return NULL;
}

static int try_threaded(unsigned long flags)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleeper, NULL);
    return unshare(flags) ? errno : 0;
}

static int try_setns(unsigned long flags) { return setns(pidfd_target, flags) ? errno : 0; }

/* Each attempt in a process of its own, so that none sees what another has done. */
static int attempt(int (*body)(unsigned long), unsigned long flags, int uid)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (uid) {
            if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
                _exit(200);
            prctl(PR_SET_DUMPABLE, 1);
        }
        _exit(body(flags));
    }
    int status = reap(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One line per first flag: the answers in the order of the others; a dot for success. */
static void answer(char *at, int code)
{
    const char *name = code == 0 ? "." : code < 0 ? "?" : errno_name(code);
    strcat(at, " ");
    strcat(at, name[0] == 'E' ? name + 1 : name);
}

static void matrix(const char *call, int (*body)(unsigned long), const struct flag *flags, size_t count, int uid, int triples)
{
    char line[4096];
    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%s uid %d %s:", call, uid, flags[i].name);
        for (size_t j = i; j < count; j++)
            answer(line, attempt(body, flags[i].bit | flags[j].bit, uid));
        out("%s\n", line);
    }
    for (size_t i = 0; triples && i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            snprintf(line, sizeof line, "%s uid %d %s|%s:", call, uid, flags[i].name, flags[j].name);
            for (size_t k = j + 1; k < count; k++)
                answer(line, attempt(body, flags[i].bit | flags[j].bit | flags[k].bit, uid));
            if (j + 1 < count)
                out("%s\n", line);
        }
}

/* clone3 knows the time namespace and refuses the rest of the old signal byte. */
static const struct flag TRIPLES[] = {
    {0x100, "VM"}, {0x200, "FS"}, {0x800, "SIGHAND"}, {0x10000, "THREAD"}, {0x20000, "NS"}, {0x10000000, "USER"}, {0x20000000, "PID"},
};

static int try_clone3(unsigned long flags)
{
    struct clone3_arguments arguments = {.flags = flags, .exit_signal = SIGCHLD};
    long pid = raw_clone3(&arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static const struct flag CLONE3[] = {
    {0x80, "TIME"}, {0x20000, "NS"}, {0x200, "FS"}, {0x10000000, "USER"}, {0x20000000, "PID"}, {0x400000, "DETACHED"},
    {0x100000000, "CLEAR_SIGHAND"}, {0x1, "one"}, {0x400000000, "BIT34"}, {0x8000000, "IPC"}, {0x40000, "SYSVSEM"},
};

int main(void)
{
    signal(SIGCHLD, SIG_DFL);
    for (int uid = 0; uid <= 1000; uid += 1000) {
        matrix("unshare", try_unshare, UNSHARE, COUNT(UNSHARE), uid, 0);
        matrix("clone", try_clone, CLONE, COUNT(CLONE), uid, 0);
        matrix("clone3", try_clone3, CLONE3, COUNT(CLONE3), uid, 0);
    }
    matrix("clone", try_clone, TRIPLES, COUNT(TRIPLES), 0, 1);
    matrix("unshare threaded", try_threaded, TRIPLES, COUNT(TRIPLES), 0, 0);
    /* A process in namespaces of its own, owned by a user namespace of its own, as what is to be entered. */
    int ready[2];
    char byte;
    MUST(pipe(ready));
    pid_t target = FORK(
        MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP));
        MUST(write(ready[1], "r", 1)); pause());
    MUST(read(ready[0], &byte, 1));
    pidfd_target = MUST(syscall(SYS_pidfd_open, target, 0));
    matrix("setns", try_setns, SETNS, COUNT(SETNS), 0, 0);
    matrix("setns", try_setns, SETNS, COUNT(SETNS), 1000, 0);
    kill(target, SIGKILL);
    reap(target);
    TRY(setns(pidfd_target, CLONE_NEWUTS));
    TRY(setns(pidfd_target, 0));
    TRY(setns(pidfd_target, 1));
    return 0;
}
