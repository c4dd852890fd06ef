/*
 * identity -- what threads of a process share and what is their own
 *
 * Shared: pid, parent, working directory, descriptors, umask, handlers, timers. Own: thread id, mask, alternate stack, errno, name.
 */
#include "guest.h"
#include <sys/prctl.h>

static pid_t main_tid;
static int pipes[2];

static void *other(void *argument)
{
    pid_t tid = syscall(SYS_gettid);
    expect(tid != main_tid, "thread id differs");
    expect(getpid() == main_tid, "pid is the same");
    chdir("/");
    umask(027);
    close(pipes[1]);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_NAME, "other");
    errno = 77;
    TRY(syscall(SYS_tgkill, getpid(), tid, 0));
    TRY(syscall(SYS_tgkill, getpid() + 100000, tid, 0));
    TRY(syscall(SYS_tgkill, 1, tid, 0));
    TRY(syscall(SYS_tgkill, -1, tid, 0));
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, name, sizeof name - 1);
    out("comm of this thread: %.*s", (int)length, name);
    close(fd);
    return NULL;
}

int main(void)
{
    char directory[PATH_MAX], name[17] = "";
    main_tid = syscall(SYS_gettid);
    expect(main_tid == getpid(), "the first thread's id is the pid");
    MUST(pipe(pipes));
    prctl(PR_SET_NAME, "first");
    errno = 5;
    pthread_t thread;
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
    expect(errno == 5, "errno is per thread");
    out("cwd %s\n", getcwd(directory, sizeof directory));
    out("umask %#o\n", umask(022));
    TRY(write(pipes[1], "x", 1));
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    out("SIGUSR2 blocked here: %d\n", sigismember(&set, SIGUSR2));
    prctl(PR_GET_NAME, name);
    out("name %s\n", name);
    return wrong;
}
