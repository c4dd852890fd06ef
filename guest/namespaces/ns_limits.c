/*
 * ns_limits -- 32 levels of user and pid namespaces, max_*_namespaces, pid_max and ns_last_pid, chosen pids through nested namespaces
 * guest: needs=root
 */
#include "userns.h"
#include "rawclone.h"
#include <sys/mount.h>

static int deepest(int flag)
{
    int levels = 0;
    while (unshare(flag) == 0) {
        levels++;
        if (flag == CLONE_NEWUSER) {
            if (write_proc(0, "setgroups", "deny", 0) || write_proc(0, "uid_map", "0 0 1", 0) || write_proc(0, "gid_map", "0 0 1", 0)) {
                out("map: %s\n", errno_name(errno));
                break;
            }
            continue;
        }
        pid_t pid = fork();
        if (pid) {
            int status = reap(pid);
            _exit(WEXITSTATUS(status));
        }
    }
    out("%d levels, then %s\n", levels, errno_name(errno));
    return levels;
}

static int show(const char *name)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        out("%s: %s\n", name, errno_name(errno));
        return 0;
    }
    long length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length - 1 : 0] = 0;
    out("%s: %s\n", name, text);
    return atoi(text);
}

static void set(const char *name, const char *value)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    int fd = open(path, O_WRONLY);
    long result = fd < 0 ? -1 : write(fd, value, strlen(value));
    out("%s = %s: %s\n", name, value, result < 0 ? errno_name(errno) : "set");
    close(fd);
}

static int try_set_tid(const char *what, int flags, size_t size, const pid_t *set_tid)
{
    struct clone3_arguments arguments = {.flags = flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)set_tid, .set_tid_size = size};
    long pid = raw_clone3(&arguments, sizeof arguments);
    if (pid == 0) {
        char path[64], line[256];
        out("%s: I am %d\n", what, getpid());
        (void)path, (void)line;
        _exit(0);
    }
    if (pid < 0) {
        out("%s: %s\n", what, errno_name(errno));
        return -1;
    }
    out("%s: made %s\n", what, set_tid && size && pid == set_tid[size - 1] ? "the outermost one" : "another");
    reap(pid);
    return 0;
}

static void inside_pid_ns(void)
{
    MUST(unshare(CLONE_NEWNS));
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount("proc", "/proc", "proc", 0, NULL));
    show("kernel/pid_max");
    show("kernel/ns_last_pid");
    set("kernel/ns_last_pid", "99");
    out("next is %d\n", FORK(prctl(PR_SET_PDEATHSIG, SIGKILL); pause()));
    show("kernel/ns_last_pid");
    set("kernel/ns_last_pid", "-1");
    set("kernel/ns_last_pid", "4194305");
    set("kernel/pid_max", "300");
    set("kernel/pid_max", "4194305");
    set("kernel/pid_max", "301");
    show("kernel/pid_max");
    set("kernel/ns_last_pid", "298");
    out("then %d\n", FORK(prctl(PR_SET_PDEATHSIG, SIGKILL); pause()));
    out("then %d\n", FORK(prctl(PR_SET_PDEATHSIG, SIGKILL); pause()));
    out("round again %d\n", FORK(prctl(PR_SET_PDEATHSIG, SIGKILL); pause()));
    out("-- chosen pids\n");
    try_set_tid("free", 0, 1, (pid_t[]){50});
    try_set_tid("again", 0, 1, (pid_t[]){50});
    try_set_tid("taken", 0, 1, (pid_t[]){1});
    try_set_tid("zero", 0, 1, (pid_t[]){0});
    try_set_tid("negative", 0, 1, (pid_t[]){-1});
    try_set_tid("at pid_max", 0, 1, (pid_t[]){301});
    try_set_tid("below pid_max", 0, 1, (pid_t[]){300});
    try_set_tid("new namespace, 1", CLONE_NEWPID, 1, (pid_t[]){1});
    try_set_tid("new namespace, 2", CLONE_NEWPID, 1, (pid_t[]){2});
    try_set_tid("new namespace, 1 and 60", CLONE_NEWPID, 2, (pid_t[]){1, 60});
    try_set_tid("new namespace, 1 and taken", CLONE_NEWPID, 2, (pid_t[]){1, 1});
    try_set_tid("too many", CLONE_NEWPID, 32, (pid_t[32]){1, 61, 0});
    try_set_tid("none", 0, 0, NULL);
    struct clone3_arguments arguments = {.exit_signal = SIGCHLD, .set_tid = 8, .set_tid_size = 1};
    TRY(raw_clone3(&arguments, sizeof arguments));
    arguments.set_tid_size = 33;
    TRY(raw_clone3(&arguments, sizeof arguments));
    arguments.set_tid_size = 0;
    TRY(raw_clone3(&arguments, sizeof arguments));
    /* In a user namespace only the own pid namespaces may be chosen in. */
    pid_t pid = FORK(MUST(unshare(CLONE_NEWUSER)); try_set_tid("stranger", 0, 1, (pid_t[]){70});
                     try_set_tid("own", CLONE_NEWPID, 1, (pid_t[]){1});
                     try_set_tid("own and outer", CLONE_NEWPID, 2, (pid_t[]){1, 71});
                     set("kernel/ns_last_pid", "200"); set("kernel/pid_max", "400"));
    reap(pid);
    pid = FORK(MUST(setuid(1000)); try_set_tid("user", 0, 1, (pid_t[]){72}); set("kernel/ns_last_pid", "200"); set("kernel/pid_max", "400"));
    reap(pid);
    pid = FORK(MUST(unshare(CLONE_NEWUSER | CLONE_NEWPID));
               reap(FORK(try_set_tid("in the new one", 0, 1, (pid_t[]){40}); try_set_tid("and the outer", 0, 2, (pid_t[]){41, 73}))));
    reap(pid);
}

static void limited(void)
{
    static const char *const KINDS[] = {"user", "pid", "uts", "ipc", "net", "mnt", "cgroup", "time"};
    static const int FLAGS[] = {CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWCGROUP, 0x80};
    for (size_t i = 0; i < 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "user/max_%s_namespaces", KINDS[i]);
        show(name);
        set(name, "1");
        int ready[2];
        char byte;
        MUST(pipe(ready));
        pid_t first = FORK(out("first: %s\n", unshare(FLAGS[i]) ? errno_name(errno) : "made"); 
                           if (FLAGS[i] != CLONE_NEWPID || fork() == 0) {
                               prctl(PR_SET_PDEATHSIG, SIGKILL);
                               MUST(write(ready[1], "r", 1));
                           } pause());
        MUST(read(ready[0], &byte, 1));
        reap(FORK(out("second: %s\n", unshare(FLAGS[i]) ? errno_name(errno) : "made")));
        kill(first, SIGKILL);
        reap(first);
        set(name, "-1");
        set(name, "0");
        reap(FORK(out("none: %s\n", unshare(FLAGS[i]) ? errno_name(errno) : "made")));
        set(name, "2147483647");
    }
    set("user/max_user_namespaces", "2147483648");
    reap(FORK(MUST(setresuid(5, 5, 5)); set("user/max_user_namespaces", "7")));
}

int main(void)
{
    reap(FORK(deepest(CLONE_NEWUSER)));
    reap(FORK(deepest(CLONE_NEWPID)));
    reap(FORK(MUST(unshare(CLONE_NEWPID)); reap(FORK(inside_pid_ns()))));
    out("-- limits\n");
    struct helper child = in_userns(0, 0, limited);
    MUST(write_proc(child.pid, "uid_map", "0 0 10", 0));
    MUST(write_proc(child.pid, "gid_map", "0 0 10", 0));
    finish(child);
    return 0;
}
