/*
 * settings -- writing to comm, oom_score_adj, coredump_filter, timerslack_ns, clear_refs, attr and others: what is taken and what refused
 * guest: needs=proc,root
 */
#include "procfile.h"
#include <sys/prctl.h>

static void show(const char *name)
{
    slurp(of(getpid(), name));
    text[strcspn(text, "\n")] = 0;
    out("  now [%s]\n", text);
}

static void try_all(const char *name, const char *const *data)
{
    for (; *data; data++) {
        PUT(name, of(getpid(), name), *data);
        show(name);
    }
}

int main(void)
{
    try_all("comm", (const char *[]){"foo\n", "", "a-name-that-is-much-too-long", "short", NULL});
    put("comm", "/proc/self/comm", "x\0y", 3);
    show("comm");
    try_all("oom_score_adj", (const char *[]){"10\n", " 10 \n", "0x10", "010", "", "\n", "abc", "10 20", "1001", "-1001", "10\n20",
                                              "555555555555555555", "+5", "999", NULL});
    try_all("oom_adj", (const char *[]){"15", "16", "-18", "x", NULL});
    try_all("coredump_filter", (const char *[]){"0x33", "033", "-1", "51\n", "4294967296", " 1", "1 ", "0xffff", "0x33", NULL});
    try_all("timerslack_ns", (const char *[]){"100\n", "0", "-1", "0x10", "1 ", "77", NULL});
    out("PR_GET_TIMERSLACK %d\n", prctl(PR_GET_TIMERSLACK));
    for (const char **data = (const char *[]){"1", "2", "3", " 4 ", "5\n", "0", "6", "x", "", NULL}; *data; data++)
        PUT("clear_refs", "/proc/self/clear_refs", *data);
    PUT("attr/current", "/proc/self/attr/current", "x");
    PUT("attr/prev", "/proc/self/attr/prev", "x");
    int child = FORK(pause());
    PUT("comm of another", of(child, "comm"), "x");
    PUT("attr of another", of(child, "attr/current"), "x");
    PUT("loginuid of another", of(child, "loginuid"), "1");
    PUT("timerslack of another", of(child, "timerslack_ns"), "1234");
    slurp(of(child, "timerslack_ns"));
    out("timerslack of another %s", text);
    kill(child, SIGKILL);
    reap(child);
    char byte;
    int fd = MUST(open("/proc/self/clear_refs", O_RDWR));
    TRY(read(fd, &byte, 1));
    fd = MUST(open("/proc/uptime", O_WRONLY));
    TRY(write(fd, "x", 1));
    TRY(open("/proc/new", O_CREAT | O_WRONLY, 0600));
    TRY(mkdir("/proc/self/new", 0700));
    TRY(unlink("/proc/self/stat"));
    TRY(chmod("/proc/self/stat", 0600));
    TRY(chown("/proc/self/stat", 1, 1));
    TRY(rename("/proc/self/stat", "/proc/self/x"));
    fd = MUST(open("/proc/self/stat", O_RDONLY));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(lseek(fd, -1, SEEK_SET));
    TRY(ftruncate(fd, 0));
    fd = MUST(open("/proc/self/comm", O_WRONLY | O_TRUNC | O_APPEND));
    TRY(write(fd, "truncated", 9));
    show("comm");
    return 0;
}
