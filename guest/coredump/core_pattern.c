/*
 * core_pattern -- where a core goes: the specifiers of core_pattern, programs that are fed one, and suid_dumpable
 * guest: native=no needs=root
 */
#include "core.h"
#include <sys/prctl.h>
#include <sys/utsname.h>

static char self[128];

static void set(const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    int fd = MUST(open(path, O_WRONLY));
    MUST(write(fd, value, strlen(value)));
    close(fd);
}

/* Crash in a thread of its own; the parent learns its number. */
static pid_t *tid;
static void *crash(void *argument)
{
    *tid = syscall(SYS_gettid);
    prctl(PR_SET_NAME, "a/name");
    raise(SIGQUIT);
    return NULL;
}

static int die(rlim_t limit, pid_t *pid)
{
    *pid = FORK({
        pthread_t thread;
        allow_core(limit);
        pthread_create(&thread, NULL, crash, NULL);
        pthread_join(thread, NULL);
    });
    return reap(*pid);
}

/* In the expected name P stands for the pid and T for the thread id. */
static void file_named_as(const char *title, const char *pattern, const char *expected)
{
    char name[256] = "";
    pid_t pid;
    set("kernel/core_pattern", pattern);
    int status = die(1 << 20, &pid);
    for (; *expected; expected++)
        if (*expected == 'P' || *expected == 'T')
            sprintf(name + strlen(name), "%d", *expected == 'P' ? pid : *tid);
        else
            strncat(name, expected, 1);
    expect(WCOREDUMP(status) && access(name, F_OK) == 0, "core_pattern %s", title);
    unlink(name);
}

static void file_named(const char *pattern, const char *expected)
{
    file_named_as(pattern, pattern, expected);
}

static void files(void)
{
    char text[160], exe[160];
    struct utsname machine;
    uname(&machine);
    file_named("core", "core");
    file_named("core.%p", "core.P");
    file_named("%i", "T");
    file_named("%P-%I", "P-T");
    file_named("c%%p%", "c%p");
    file_named("%u.%g.%s.%d.%c", "0.0.3.1.1048576");
    file_named("%e", "a!name");
    file_named("%f", "core_pattern");
    snprintf(exe, sizeof exe, "%s", self);
    for (char *slash = exe; *slash; slash++)
        if (*slash == '/')
            *slash = '!';
    file_named("%E", exe);
    file_named("%h", machine.nodename);
    file_named("%Q%zname", "name");
    file_named("taken\nignored", "taken");
    set("kernel/core_uses_pid", "1");
    file_named("core", "core.P");
    file_named("with.%p", "with.P");
    set("kernel/core_uses_pid", "0");
    MUST(mkdir("deep", 0700));
    file_named("deep/core", "deep/core");
    rmdir("deep");
    MUST(getcwd(text, 100) ? 0 : -1);
    strcat(text, "/absolute");
    file_named_as("that is a path", text, text);
    set("kernel/core_pattern", "nowhere/core");
    pid_t pid;
    out("no such directory: %s\n", status_name(die(1 << 20, &pid)));
}

/* What the program that is fed a core sees. */
static int helper(char **words)
{
    static char data[1 << 16];
    char text[256], cwd[64];
    struct rlimit limit;
    long size = 0, count;
    Elf64_Half type = 0;
    int fd = MUST(open("/tmp/report", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    dup2(fd, 1);
    for (int i = 0; words[i]; i++)
        out("%s ", words[i]);
    getrlimit(RLIMIT_CORE, &limit);
    out("\nuid %d cwd %s limit %ld parent %d environment %s\n", getuid(), getcwd(cwd, sizeof cwd), (long)limit.rlim_cur, getppid(),
        environ[0] ? "some" : "empty");
    for (fd = 0; fd < 16; fd++)
        if (fd != 1 && fcntl(fd, F_GETFD) >= 0 && readlink((snprintf(text, 32, "/proc/self/fd/%d", fd), text), cwd, 63) > 0)
            out("descriptor %d: %.5s\n", fd, cwd);
    if (!strcmp(words[0], "crash"))
        abort();
    if (!strcmp(words[0], "stay"))
        sleep_ms(400);
    if (!strcmp(words[0], "leave") || !strcmp(words[0], "stay"))
        return 0;
    snprintf(text, sizeof text, "/proc/%s/status", words[0]);
    FILE *status = fopen(text, "r");
    while (status && fgets(text, sizeof text, status))
        if (!strncmp(text, "CoreDumping", 11) || !strncmp(text, "State", 5) || !strncmp(text, "Threads", 7))
            out("%s", text);
    while ((count = read(0, data, sizeof data)) > 0) {
        if (!size)
            type = ((Elf64_Ehdr *)data)->e_type;
        size += count;
    }
    expect(type == ET_CORE && size > 1 << 14, "a core");
    if (!strcmp(words[1], "slow"))
        sleep_ms(200);
    out("end\n");
    return 0;
}

static void report(const char *title, const char *arguments, rlim_t limit)
{
    char pattern[160], line[256], number[16];
    pid_t pid;
    snprintf(pattern, sizeof pattern, "|%s %s", self, arguments);
    set("kernel/core_pattern", pattern);
    out("%s: %s\n", title, status_name(die(limit, &pid)));
    sleep_ms(300);
    snprintf(number, sizeof number, "%d", pid);
    FILE *file = fopen("/tmp/report", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *at = strstr(line, number);
        out("  %.*s%s%s", at ? (int)(at - line) : 0, line, at ? "PID" : "", at ? at + strlen(number) : line);
    }
    if (file)
        fclose(file);
    unlink("/tmp/report");
}

/* SIGKILL ends a dump that nobody reads. */
static void killed(void)
{
    char pattern[160], path[64], line[128];
    int dumping = 0;
    snprintf(pattern, sizeof pattern, "|%s stay", self);
    set("kernel/core_pattern", pattern);
    pid_t pid = FORK(raise(SIGQUIT));
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    while (!dumping) {
        sleep_ms(5);
        FILE *status = fopen(path, "r");
        while (fgets(line, sizeof line, status))
            dumping |= !strcmp(line, "CoreDumping:\t1\n");
        fclose(status);
    }
    MUST(kill(pid, SIGTERM));
    sleep_ms(20);
    out("dumping: %c, ", task_state(pid));
    MUST(kill(pid, SIGKILL));
    out("%s\n", status_name(reap(pid)));
    sleep_ms(500);
    unlink("/tmp/report");
}

static void programs(void)
{
    pid_t pid;
    report("a program", "%p %s  %e", 0);
    report("words are split first", "%p %f \t-%%- %q", 4096);
    report("with a pidfd", "%p %F", 0);
    report("that does not read", "leave", 0);
    report("that crashes", "crash", 0);
    report("for itself only", "%p", 1);
    set("kernel/core_pipe_limit", "4");
    report("that is waited for", "%p slow", 0);
    set("kernel/core_pipe_limit", "0");
    killed();
    set("kernel/core_pattern", "|/nonexistent %p");
    out("no such program: %s\n", status_name(die(0, &pid)));
    set("kernel/core_pattern", "|");
    out("no program: %s\n", status_name(die(0, &pid)));
}

static void tainted(const char *mode, const char *pattern, const char *name, const char *root)
{
    set("fs/suid_dumpable", mode);
    set("kernel/core_pattern", pattern);
    int status = reap(FORK({
        allow_core(1 << 20);
        umask(0);
        if (root)
            MUST(chroot(root));
        MUST(setgid(1000));
        MUST(setuid(1000));
        out("dumpable %d: ", prctl(PR_GET_DUMPABLE));
        raise(SIGQUIT);
    }));
    struct stat info;
    out("%s", status_name(status));
    if (stat(name, &info) == 0)
        out(", mode %o uid %d gid %d\n", info.st_mode & 07777, info.st_uid, info.st_gid);
    else
        out(", %s\n", errno_name(errno));
    unlink(name);
}

int main(int count, char **words)
{
    if (count > 1)
        return helper(words + 1);
    MUST(readlink("/proc/self/exe", self, sizeof self - 1));
    tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    enter_directory();
    files();
    programs();
    tainted("0", "core", "core", NULL);
    tainted("1", "core", "core", NULL);
    tainted("2", "core", "core", NULL);
    tainted("2", "/tmp/core.root", "/tmp/core.root", NULL);
    tainted("2", "/tmp/core.root", "/tmp/core.root", ".");
    MUST(close(MUST(open("/tmp/core.root", O_CREAT | O_WRONLY, 0600))));
    tainted("2", "/tmp/core.root", "/tmp/core.root", NULL);
    TRY(prctl(PR_SET_DUMPABLE, 2));
    int fd = MUST(open("/proc/sys/fs/suid_dumpable", O_WRONLY));
    TRY(write(fd, "3", 1));
    TRY(write(fd, "-1", 2));
    leave_directory();
    return wrong;
}
