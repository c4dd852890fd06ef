/*
 * corpse -- what /proc shows of a zombie, and of a process that has been reaped while its files were open
 * guest: needs=proc
 */
#include "procfile.h"

static const char *FILES[] = {
    "cmdline", "maps", "smaps", "smaps_rollup", "environ", "auxv", "limits", "wchan", "stack", "oom_score", "mounts", "mountinfo",
    "personality", "comm", "timers", "pagemap", "mem", "loginuid", "sessionid", "attr/current", "coredump_filter", "oom_adj",
    "oom_score_adj", "timerslack_ns", "children", "cgroup", "schedstat", "statm", "io",
};

int main(void)
{
    int pid = FORK(_exit(3));
    await_state(pid, "Z");
    for (unsigned i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        int result = slurp(of(pid, FILES[i]));
        out("%s: %s\n", FILES[i], outcome(result));
    }
    slurp(of(pid, "statm"));
    out("statm %s", text);
    slurp(of(pid, "syscall"));
    out("syscall %s", text);
    slurp(of(pid, "status"));
    const char *keys[] = {"State:", "Umask:", "FDSize:", "VmSize:", "Threads:", "Kthread:", "SigBlk:", "NoNewPrivs:"};
    for (int i = 0; i < 8; i++)
        out("%s%s\n", keys[i], field(keys[i]));
    slurp(of(pid, "stat"));
    int flags = 0, code = -1, place = 0;
    for (char *word = strtok(strrchr(text, ')') + 1, " "); word; word = strtok(NULL, " "), place++) {
        if (place == 6)
            flags = atoi(word);
        if (place == 20 || place == 21 || place == 32)
            out("field %d is %s\n", place + 3, word);
        code = atoi(word);
    }
    out("flags %#x exit code %d\n", flags & 0x4c, code);
    const char *directories[] = {"fd", "fdinfo", "task", "map_files"};
    for (int i = 0; i < 4; i++)
        out("%s has %d\n", directories[i], entries(of(pid, directories[i])));
    const char *links[] = {"exe", "cwd", "root"};
    for (int i = 0; i < 3; i++) {
        char target[64];
        long length = readlink(of(pid, links[i]), target, sizeof target);
        out("%s: %s\n", links[i], length < 0 ? errno_name(errno) : "leads somewhere");
    }
    struct stat st;
    MUST(stat(of(pid, "status"), &st));
    out("status belongs to %d, mode %o\n", st.st_uid, st.st_mode);
    MUST(stat(of(pid, "task"), &st));
    out("task has %d links\n", (int)st.st_nlink);

    int dir = MUST(open(of(pid, ""), O_RDONLY | O_DIRECTORY)), fds = MUST(open(of(pid, "fd"), O_RDONLY | O_DIRECTORY));
    int file = MUST(open(of(pid, "stat"), O_RDONLY)), comm = MUST(open(of(pid, "comm"), O_RDWR));
    reap(pid);
    char byte, name[128], link[64];
    TRY(read(file, &byte, 1));
    TRY(write(comm, "x", 1));
    TRY(fstat(fds, &st));
    TRY(fstatat(dir, "status", &st, 0));
    TRY(openat(dir, "stat", O_RDONLY));
    TRY(fchdir(dir));
    TRY(syscall(SYS_getdents64, dir, text, sizeof text));
    TRY(syscall(SYS_getdents64, fds, text, sizeof text));
    TRY(stat(of(pid, "stat"), &st));
    TRY(open(of(pid, ""), O_RDONLY));
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    long length = MUST(readlink(link, name, sizeof name - 1));
    name[length] = 0;
    out("the directory is %s\n", strstr(name, " (deleted)") ? "deleted" : "there");
    return wrong;
}
