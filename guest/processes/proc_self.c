/*
 * proc_self -- a process looks at itself in /proc: stat, status, maps, fd, task, cmdline, exe, cwd, comm
 * guest: needs=proc args=alpha,beta
 */
#include "guest.h"
#include <dirent.h>
#include <sys/prctl.h>

static int data = 1;

static ssize_t slurp(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t total = 0, length;
    while ((length = read(fd, buffer + total, size - 1 - total)) > 0)
        total += length;
    close(fd);
    buffer[total] = 0;
    return total;
}

static int by_number(const struct dirent **a, const struct dirent **b) { return atoi((*a)->d_name) - atoi((*b)->d_name); }

int main(int argc, char **argv)
{
    static char text[65536];
    char link[PATH_MAX];
    prctl(PR_SET_NAME, "with ) space");
    ssize_t length = slurp("/proc/self/comm", text, sizeof text);
    out("comm %s", text);
    slurp("/proc/self/stat", text, sizeof text);
    int pid = 0, ppid = 0, pgrp = 0, session = 0;
    char state = 0;
    expect(sscanf(strrchr(text, ')') + 1, " %c %d %d %d", &state, &ppid, &pgrp, &session) == 4 && sscanf(text, "%d", &pid) == 1,
           "stat parses");
    expect(pid == getpid() && ppid == getppid() && pgrp == getpgrp() && session == getsid(0) && state == 'R', "stat is about us");
    length = slurp("/proc/self/cmdline", text, sizeof text);
    out("cmdline");
    for (char *p = text + strlen(text) + 1; p < text + length; p += strlen(p) + 1)
        out(" [%s]", p);
    out("\n");
    length = slurp("/proc/self/status", text, sizeof text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *wanted[] = {"Name:", "Umask:", "State:", "Threads:", "NoNewPrivs:", "SigIgn:", "SigBlk:", "Seccomp:"};
        for (int i = 0; i < 8; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
                out("%s\n", line);
        int value, real, effective, saved, fs;
        if (sscanf(line, "Tgid: %d", &value) == 1 || sscanf(line, "Pid: %d", &value) == 1)
            expect(value == getpid(), "%.4s", line);
        if (sscanf(line, "PPid: %d", &value) == 1)
            expect(value == getppid(), "PPid");
        if (sscanf(line, "Uid: %d %d %d %d", &real, &effective, &saved, &fs) == 4)
            expect(real == getuid() && effective == geteuid(), "Uid");
    }
    slurp("/proc/self/maps", text, sizeof text);
    int found_data = 0, found_text = 0, found_stack = 0, ordered = 1;
    unsigned long last = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long start, end;
        char flags[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, flags) != 3)
            out("odd line %s\n", line);
        ordered &= start >= last && (end > start);
        if (start < 0xffffffff00000000)
            last = end;
        if ((unsigned long)&data >= start && (unsigned long)&data < end)
            found_data = strncmp(flags, "rw-p", 4) == 0;
        if ((unsigned long)main >= start && (unsigned long)main < end)
            found_text = strncmp(flags, "r-xp", 4) == 0 && strstr(line, "proc_self");
        if ((unsigned long)&start >= start && (unsigned long)&start < end)
            found_stack = strstr(line, "[stack]") != NULL;
    }
    expect(found_data && found_text && found_stack && ordered, "maps: data rw-p, text r-xp of this file, [stack], ordered");

    length = readlink("/proc/self/exe", link, sizeof link - 1);
    link[length] = 0;
    out("exe ends in %s\n", strrchr(link, '/'));
    chdir("/usr");
    length = readlink("/proc/self/cwd", link, sizeof link - 1);
    out("cwd %.*s\n", (int)length, link);
    length = readlink("/proc/self/root", link, sizeof link - 1);
    out("root %.*s\n", (int)length, link);
    length = readlink("/proc/self", link, sizeof link - 1);
    link[length] = 0;
    expect(atoi(link) == getpid(), "/proc/self is our pid");
    length = readlink("/proc/thread-self", link, sizeof link - 1);
    link[length] = 0;
    char expected[64];
    snprintf(expected, sizeof expected, "%d/task/%d", getpid(), getpid());
    expect(strcmp(link, expected) == 0, "/proc/thread-self");

    int null = open("/dev/null", O_RDWR | O_APPEND), pipes[2];
    pipe(pipes);
    lseek(null, 0, SEEK_SET);
    struct dirent **names;
    int count = scandir("/proc/self/fd", &names, NULL, by_number);
    out("fds:");
    for (int i = 0; i < count; i++)
        if (names[i]->d_name[0] != '.')
            out(" %s", names[i]->d_name);
    out("\n");
    snprintf(expected, sizeof expected, "/proc/self/fd/%d", null);
    length = readlink(expected, link, sizeof link - 1);
    out("%.*s\n", (int)length, link);
    snprintf(expected, sizeof expected, "/proc/self/fd/%d", pipes[0]);
    length = readlink(expected, link, sizeof link - 1);
    link[length] = 0;
    unsigned long inode;
    expect(sscanf(link, "pipe:[%lu]", &inode) == 1, "a pipe's link shows its inode");
    int again = open(expected, O_RDONLY | O_NONBLOCK);
    write(pipes[1], "p", 1);
    out("reopened pipe reads %zd\n", read(again, link, 10));
    snprintf(expected, sizeof expected, "/proc/self/fdinfo/%d", null);
    slurp(expected, text, sizeof text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "pos", 3) == 0 || strncmp(line, "flags", 5) == 0)
            out("%s\n", line);
    count = scandir("/proc/self/task", &names, NULL, by_number);
    out("tasks %d\n", count - 2);
    TRY(open("/proc/999999/stat", O_RDONLY));
    TRY(open("/proc/self/nothing", O_RDONLY));
    TRY(mkdir("/proc/x", 0755));
    TRY(open("/proc/self/comm", O_WRONLY) > 0);
    return wrong;
}
