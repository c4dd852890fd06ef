/*
 * lock_lists -- /proc/locks and fdinfo: POSIX, OFD and flock locks, who waits for them, and a holder that is gone
 * guest: needs=proc
 */
#include "procfile.h"
#include <sys/file.h>

static char inode[32];
static int pids[4];

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Print the lines about our file, sorted, with names for pids. */
static void list(const char *what)
{
    static char shown[32][96];
    int count = 0;
    MUST(slurp("/proc/locks"));
    for (char *line = text; line && *line && count < 32; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *rest = strstr(line, ": "), kind[8], mode[8], name[64], last[32];
        int pid, waits, who = -1;
        long start;
        if (!rest)
            continue;
        rest += 2;
        waits = strncmp(rest, "-> ", 3) == 0;
        if (sscanf(rest + 3 * waits, "%7s ADVISORY %7s %d %63s %ld %31s", kind, mode, &pid, name, &start, last) != 6)
            continue;
        if (!strrchr(name, ':') || strcmp(strrchr(name, ':') + 1, inode) != 0)
            continue;
        for (int i = 0; i < 4; i++)
            if (pids[i] == pid)
                who = i;
        snprintf(shown[count++], 96, "%s %s%s process %d %02ld-%s", kind, waits ? "waits for " : "", mode, pid == -1 ? -1 : who, start,
                 last);
    }
    qsort(shown, count, 96, by_text);
    out("%s\n", what);
    for (int i = 0; i < count; i++)
        out("  %s\n", shown[i]);
}

static int waiter(int index, int how, const char *name)
{
    int pid = FORK({
        int fd = MUST(open(name, O_RDWR));
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (how)
            flock(fd, LOCK_EX);
        else
            fcntl(fd, F_SETLKW, &lock);
    });
    pids[index] = pid;
    await_state(pid, "S");
    return pid;
}

int main(void)
{
    const char *name = "locked";
    int fd = MUST(open(name, O_CREAT | O_RDWR | O_TRUNC, 0600)), other = MUST(open(name, O_RDWR));
    struct stat st;
    MUST(fstat(fd, &st));
    snprintf(inode, sizeof inode, "%lu", (unsigned long)st.st_ino);
    pids[0] = getpid();
    list("none");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
    MUST(fcntl(fd, F_SETLK, &lock));
    lock.l_type = F_RDLCK, lock.l_start = 50, lock.l_len = 0;
    MUST(fcntl(fd, F_SETLK, &lock));
    struct flock open_lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 4};
    MUST(fcntl(other, F_OFD_SETLK, &open_lock));
    MUST(flock(other, LOCK_SH));
    list("held");
    int first = waiter(1, 0, name), second = waiter(2, 1, name);
    list("and waited for");
    MUST(slurp("/proc/self/fdinfo/3"));
    out("fdinfo of the first: %s\n", strstr(text, "lock:\t1: POSIX  ADVISORY  WRITE") ? "its own" : "no lock");
    out("  and not %s\n", strstr(text, "FLOCK") || strstr(text, "OFDLCK") ? "WRONG" : "those of the other");
    MUST(slurp("/proc/self/fdinfo/4"));
    out("fdinfo of the second: %s %s %s\n", strstr(text, "FLOCK  ADVISORY  READ") ? "flock" : "", strstr(text, "OFDLCK") ? "OFD" : "",
        strstr(text, "POSIX") ? "POSIX" : "");
    kill(first, SIGKILL);
    kill(second, SIGKILL);
    reap(first);
    reap(second);
    list("waiters killed");
    close(other);
    list("second closed");
    int holder = FORK({
        int mine = MUST(open(name, O_RDWR));
        flock(mine, LOCK_EX);
        pause();
    });
    pids[3] = holder;
    await_state(holder, "S");
    list("held by a child");
    kill(holder, SIGKILL);
    reap(holder);
    list("child killed");
    unlink(name);
    return 0;
}
