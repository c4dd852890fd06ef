/*
 * userns.h -- what the programs about user namespaces share: children in new ones, and their maps.
 */
#ifndef USERNS_H
#define USERNS_H

#include "guest.h"
#include <grp.h>
#include <sys/prctl.h>

/* Write `text` to /proc/PID/NAME (pid 0: self) in one write; return 0 or -1 with errno. */
__attribute__((unused)) static int write_proc(pid_t pid, const char *name, const char *text, size_t length)
{
    char path[64];
    if (pid)
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    else
        snprintf(path, sizeof path, "/proc/self/%s", name);
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    long count = write(fd, text, length ? length : strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return count < 0 ? -1 : 0;
}

/* Print a file of /proc/PID with blanks squeezed, in one line. */
__attribute__((unused)) static void show_proc(pid_t pid, const char *name)
{
    char path[64], text[1024], line[1024];
    if (pid)
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    else
        snprintf(path, sizeof path, "/proc/self/%s", name);
    int fd = open(path, O_RDONLY), length = 0;
    long count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd < 0 || count < 0) {
        out("%s: %s\n", name, errno_name(errno));
        return;
    }
    for (long i = 0; i < count; i++) {
        char c = text[i] == '\n' ? ';' : text[i];
        if (c == ' ' && (length == 0 || line[length - 1] == ' ' || line[length - 1] == ';'))
            continue;
        line[length++] = c;
    }
    line[length] = 0;
    close(fd);
    out("%s: %s\n", name, line);
}

struct helper {
    pid_t pid;
    int to, from;
};

/* A child in a new user namespace that waits: `go` makes it run `body` and `finish` reaps it. */
__attribute__((unused)) static struct helper in_userns(int flags, int uid, void (*body)(void))
{
    int to[2], from[2];
    char byte;
    MUST(pipe(to));
    MUST(pipe(from));
    struct helper helper = {.pid = MUST(fork())};
    if (helper.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        if (uid) {
            MUST(setgroups(0, NULL));
            MUST(setresgid(uid, uid, uid));
            MUST(setresuid(uid, uid, uid));
            prctl(PR_SET_DUMPABLE, 1);
        }
        MUST(unshare(CLONE_NEWUSER | flags));
        MUST(write(from[1], "r", 1));
        if (read(to[0], &byte, 1) == 1 && body)
            body();
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    MUST(read(from[0], &byte, 1));
    helper.to = to[1];
    helper.from = from[0];
    return helper;
}

__attribute__((unused)) static void finish(struct helper helper)
{
    MUST(write(helper.to, "g", 1));
    int status = reap(helper.pid);
    if (status)
        out("helper: %s\n", status_name(status));
    close(helper.to);
    close(helper.from);
}

#endif
