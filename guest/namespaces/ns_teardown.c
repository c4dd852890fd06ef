/*
 * ns_teardown -- a namespace's init dies with everything in it: children, threads, zombies, mounts, an inner namespace, injected tasks
 * guest: needs=root args=2
 */
#include "userns.h"
#include <sys/mount.h>
#include <sys/ptrace.h>

/* A call that fails and changes nothing: whoever watches this program counts what there is when it is made. */
#define MARK() getpriority(77, 77)

static int told[2];

static void *sleeper(void *argument)
{
    pause();
    return NULL;
}

static void crowd(void)
{
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            pthread_t thread;
            if (i == 1)
                setsid();
            if (i == 2)
                pthread_create(&thread, NULL, sleeper, NULL);
            if (i == 3) {
                pthread_create(&thread, NULL, sleeper, NULL);
                syscall(SYS_exit, 0);
            }
            if (i == 4 && fork() == 0)
                setpgid(0, 0);
            pause();
        }
    if (fork() == 0)
        _exit(0);
}

static int init(void)
{
    MUST(write_proc(0, "uid_map", "0 0 1", 0));
    MUST(write_proc(0, "setgroups", "deny", 0));
    MUST(write_proc(0, "gid_map", "0 0 1", 0));
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount("proc", "/proc", "proc", 0, NULL));
    MUST(mount("t", "/tmp", "tmpfs", 0, NULL));
    MUST(mount(NULL, "/tmp", NULL, MS_SHARED, NULL));
    MUST(mkdir("/tmp/a", 0755));
    MUST(mount("/tmp", "/tmp/a", NULL, MS_BIND, NULL));
    int fd = MUST(open("/tmp/file", O_CREAT | O_RDWR, 0644));
    for (int i = 0; i < 20; i++)
        MUST(pwrite(fd, "x", 1, i * 4096));
    char *shown = (char *)MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    shown[0] = 'y';
    MUST(open("/proc/1/status", O_RDONLY));
    MUST(open("/proc/self/ns/mnt", O_RDONLY));
    MUST(chdir("/proc/1"));
    crowd();
    /* An inner namespace with a crowd of its own. */
    MUST(unshare(CLONE_NEWPID));
    if (fork() == 0) {
        crowd();
        MUST(write(told[1], "i", 1));
        pause();
    }
    MUST(write(told[1], "o", 1));
    pause();
    return 0;
}

static void cycle(int show)
{
    char bytes[2];
    siginfo_t info = {0};
    MUST(pipe(told));
    pid_t pid = MUST(syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(init());
    }
    MUST(read(told[0], bytes, 1));
    MUST(read(told[0], bytes, 1));
    /* A child of ours in there. */
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    int own = MUST(open("/proc/self/ns/pid", O_RDONLY)), fd = MUST(open(path, O_RDONLY));
    MUST(setns(fd, 0));
    pid_t injected = FORK(pause());
    MUST(setns(own, 0));
    close(fd);
    close(own);
    MUST(kill(pid, SIGKILL));
    MUST(waitid(P_PID, injected, &info, WEXITED | WNOWAIT));
    int early = waitpid(pid, NULL, WNOHANG);
    reap(injected);
    int status = reap(pid);
    if (show) {
        out("injected: %s by %d, init before it was reaped: %d, then %s\n", info.si_code == CLD_KILLED ? "killed" : "?", info.si_status, early,
            status_name(status));
        TRY(kill(-pid, 0));
    }
    close(told[0]);
    close(told[1]);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 2;
    cycle(1);
    MARK();
    for (int i = 0; i < rounds; i++)
        cycle(0);
    MARK();
    return 0;
}
