/*
 * core_rules -- when a core file is made and what it replaces: limits, dumpability, names, permissions
 * guest: needs=core,root
 */
#include "core.h"
#include <sys/prctl.h>

static void look(const char *what, int status)
{
    struct stat info;
    out("%s: %s", what, status_name(status));
    if (lstat("core", &info) < 0)
        out(", %s\n", errno_name(errno));
    else
        out(", %s %o uid %u links %lu%s\n", S_ISREG(info.st_mode) ? "file" : S_ISDIR(info.st_mode) ? "directory" : "other",
            info.st_mode & 07777, info.st_uid, (unsigned long)info.st_nlink, info.st_size == 0 ? " empty" : "");
}

#define DIE(what, ...)                     \
    do {                                   \
        int die_status = reap(FORK({       \
            allow_core(RLIM_INFINITY);     \
            __VA_ARGS__;                   \
            raise(SIGQUIT);                \
        }));                               \
        look(what, die_status);            \
        if (unlink("core") < 0)            \
            rmdir("core");                 \
    } while (0)

static void put(const char *name, const char *text)
{
    int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    MUST(write(fd, text, strlen(text)));
    close(fd);
}

static long size_of(const char *name)
{
    struct stat info;
    return stat(name, &info) < 0 ? -1 : info.st_size;
}

static void limits(void)
{
    DIE("limit 4095", allow_core(4095));
    DIE("limit 1", allow_core(1));
    DIE("limit 0", allow_core(0));
    for (rlim_t limit = 4096; limit <= 65536; limit *= 4) {
        int status = reap(FORK({
            allow_core(limit);
            abort();
        }));
        struct stat info;
        MUST(stat("core", &info));
        out("limit %ld: %s, %s\n", (long)limit, status_name(status), info.st_size > (off_t)limit ? "longer" : info.st_size ? "cut off" : "empty");
        unlink("core");
    }
    DIE("RLIMIT_FSIZE", struct rlimit size = {8192, 8192}; setrlimit(RLIMIT_FSIZE, &size));
}

static void dumpability(void)
{
    DIE("not dumpable", prctl(PR_SET_DUMPABLE, 0));
    DIE("dumpable again", prctl(PR_SET_DUMPABLE, 0); prctl(PR_SET_DUMPABLE, 1));
    DIE("after setuid", MUST(setuid(1000)));
    DIE("after setuid, dumpable again", MUST(setuid(1000)); prctl(PR_SET_DUMPABLE, 1));
    DIE("after seteuid and back", MUST(seteuid(1000)); MUST(seteuid(0)));
}

static void names(void)
{
    put("core", "old");
    DIE("over an old file", (void)0);
    put("victim", "precious");
    MUST(symlink("victim", "core"));
    DIE("over a symbolic link", (void)0);
    out("its target has %ld bytes\n", size_of("victim"));
    MUST(link("victim", "core"));
    DIE("over a hard link", (void)0);
    out("its other name has %ld bytes\n", size_of("victim"));
    unlink("victim");
    MUST(mkdir("core", 0700));
    DIE("over a directory", (void)0);
    MUST(mkfifo("core", 0600));
    DIE("over a FIFO", (void)0);
    DIE("umask 077", umask(077));
    DIE("umask 0177", umask(0177));
    DIE("umask 0200", umask(0200));
    DIE("umask 0", umask(0));
    DIE("in a directory of its own", MUST(mkdir("d", 0777)); MUST(chdir("d")));
    look("there", 0);
    int fd = MUST(open("d", O_RDONLY | O_DIRECTORY));
    struct stat info;
    out("it is there: %s\n", fstatat(fd, "core", &info, 0) ? errno_name(errno) : "yes");
    unlinkat(fd, "core", 0);
    close(fd);
    DIE("in a directory that is gone", MUST(chdir("d")); MUST(rmdir("../d")));
    MUST(mkdir("closed", 0755));
    MUST(chdir("closed"));
    DIE("without write permission", MUST(setuid(1000)); prctl(PR_SET_DUMPABLE, 1));
    MUST(chdir(".."));
    MUST(rmdir("closed"));
}

static void signals(void)
{
    DIE("SIGKILL", raise(SIGKILL));
    DIE("SIGTERM", raise(SIGTERM));
    DIE("caught", handle(SIGQUIT, SIG_IGN, 0); _exit(4));
    siginfo_t info;
    pid_t pid = FORK({
        allow_core(RLIM_INFINITY);
        raise(SIGSEGV);
    });
    MUST(waitid(P_PID, pid, &info, WEXITED));
    out("waitid: %s %s\n", info.si_code == CLD_DUMPED ? "CLD_DUMPED" : "other", signal_name(info.si_status));
    unlink("core");
    pid = FORK({
        allow_core(RLIM_INFINITY);
        pause();
    });
    kill(pid, SIGSTOP);
    await_state(pid, "T");
    kill(pid, SIGABRT);
    out("stopped: %c\n", task_state(pid));
    kill(pid, SIGCONT);
    look("continued", reap(pid));
    unlink("core");
}

int main(void)
{
    NEED_ROOT;
    umask(022);
    enter_directory();
    limits();
    dumpability();
    names();
    signals();
    leave_directory();
    return 0;
}
