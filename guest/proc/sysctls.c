/*
 * sysctls -- files of /proc/sys: strings and numbers read in pieces, what a write may be and where it may begin, who may write
 * guest: needs=proc,root
 */
#include "procfile.h"

#define KERNEL "/proc/sys/kernel/"
#define NAME KERNEL "hostname"

static void show(void)
{
    slurp(NAME);
    out("  now [%s\n", text);
}

static void pieces(const char *path)
{
    char byte[2] = "", rest[256] = "";
    int fd = MUST(open(path, O_RDONLY));
    long first = read(fd, byte, 1), second = read(fd, rest, sizeof rest - 1), third = read(fd, rest, 1);
    out("%s: %ld then %s then %ld;", strrchr(path, '/') + 1, first, second ? "the rest" : "nothing", third);
    long at_start = pread(fd, rest, 100, 0), behind = pread(fd, rest, 100, 1);
    out(" %s at 0, %s at 1, end at %ld\n", at_start > 0 ? "text" : "nothing", behind > 0 ? "text" : "nothing",
        (long)lseek(fd, 0, SEEK_END));
    close(fd);
}

int main(void)
{
    MUST(unshare(CLONE_NEWUTS));
    for (const char **data = (const char *[]){"foo\n", "foo bar\n", "", "\n", "guest", NULL}; *data; data++) {
        PUT("hostname", NAME, *data);
        show();
    }
    char longer[101];
    memset(longer, 'a', 100);
    longer[100] = 0;
    PUT("hostname", NAME, longer);
    show();
    put("hostname", NAME, "x\0yz", 4);
    show();
    PUT("hostname", NAME, "guest");
    int fd = MUST(open(NAME, O_RDWR));
    TRY(pwrite(fd, "ZZ", 2, 2));
    show();
    TRY(pwrite(fd, "ZZ", 2, 10));
    show();
    TRY(write(fd, "one", 3));
    TRY(write(fd, "two", 3));
    show();
    char host[65];
    MUST(gethostname(host, sizeof host));
    out("gethostname [%s]\n", host);
    const char *files[] = {NAME, KERNEL "pid_max", KERNEL "ostype", KERNEL "sem", KERNEL "random/uuid", KERNEL "cap_last_cap"};
    for (int i = 0; i < 6; i++)
        pieces(files[i]);
    for (const char **name = (const char *[]){"ostype", "osrelease", "cap_last_cap", "random/boot_id", "ngroups_max", NULL}; *name; name++) {
        char path[64];
        snprintf(path, sizeof path, KERNEL "%s", *name);
        out("%s for writing: %s\n", *name, open(path, O_WRONLY) < 0 ? errno_name(errno) : "opens");
    }
    struct stat st;
    for (const char **name = (const char *[]){"/proc/sys", "/proc/sys/kernel", NAME, KERNEL "ns_last_pid", KERNEL "ostype", NULL}; *name;
         name++) {
        MUST(stat(*name, &st));
        out("%s: mode %o, %d links, owner %d, size %ld\n", *name, st.st_mode, (int)st.st_nlink, st.st_uid, (long)st.st_size);
    }
    TRY(open(KERNEL "new", O_CREAT | O_WRONLY, 0600));
    TRY(mkdir(KERNEL "new", 0700));
    TRY(unlink(NAME));
    TRY(chmod(NAME, 0600));
    TRY(chown(NAME, 1, 1));
    TRY(truncate(NAME, 0));
    fd = MUST(open(NAME, O_WRONLY | O_TRUNC | O_APPEND));
    TRY(write(fd, "appended", 8));
    show();
    int child = FORK({
        MUST(setresuid(1000, 1000, 1000));
        out("another user: hostname %s, ", open(NAME, O_WRONLY) < 0 ? errno_name(errno) : "opens");
        int last = open(KERNEL "ns_last_pid", O_RDWR);
        out("ns_last_pid %s, ", last < 0 ? errno_name(errno) : "opens");
        out("writing it %s\n", write(last, "1", 1) < 0 ? errno_name(errno) : "works");
        TRY(access(NAME, W_OK));
        TRY(access(NAME, R_OK));
    });
    reap(child);
    return 0;
}
