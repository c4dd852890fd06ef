/* Processes: fork, vfork, clone, clone3, every end and every way to wait for it, execve's strings. */
#include "trace.h"

static char stack[65536];

static int child(void *argument)
{
    (void)argument;
    return 5;
}

int main(void)
{
    int status, pidfd, tid;
    struct rusage usage;
    siginfo_t info;
    long pid;

    if (!(pid = CALL(fork)))
        _exit(3);
    CALL(wait4, pid, &status, 0, &usage);
    CALL(wait4, -1, &status, WNOHANG, 0L);
    if (!(pid = vfork()))
        _exit(0);
    CALL(wait4, pid, 0L, 0, 0L);
    if (!(pid = CALL(fork))) {
        CALL(kill, getpid(), SIGSTOP);
        _exit(3);
    }
    CALL(wait4, -1, &status, WUNTRACED, 0L);
    kill(pid, SIGCONT);
    CALL(waitid, P_PID, pid, &info, WEXITED | WNOWAIT, &usage);
    CALL(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, 0L);
    CALL(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, 0L);
    if (!(pid = CALL(fork)))
        for (;;)
            pause();
    usleep(50000);
    CALL(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, 0L);
    kill(pid, SIGTERM);
    CALL(wait4, pid, &status, 0, 0L);
    if (!(pid = CALL(fork)))
        for (;;)
            pause();
    usleep(50000);
    kill(pid, SIGKILL);
    CALL(wait4, pid, &status, 0, 0L);
    if (!(pid = CALL(fork)))
        *(volatile int *)0 = 1;
    CALL(wait4, pid, &status, 0, 0L);
    if (!(pid = CALL(fork)))
        CALL(kill, getpid(), SIGABRT);
    CALL(waitid, P_PID, pid, &info, WEXITED, 0L);
    pid = clone(child, stack + 60000, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, 0);
    CALL(wait4, pid, &status, 0, 0L);
    if (!(pid = CALL(clone, 0x1000L | SIGCHLD, 0L, &pidfd, 0L, 0L)))
        _exit(0);
    CALL(wait4, -1, &status, __WALL, 0L);
    if (!(pid = CALL(clone, 0x1300000L | SIGCHLD, 0L, &tid, &tid, 0L)))
        _exit(0);
    CALL(wait4, -1, &status, 0, 0L);
    uint64_t arguments[25] = {[4] = SIGCHLD};
    if (!(pid = CALL(clone3, arguments, 88L)))
        _exit(1);
    CALL(wait4, -1, &status, 0, 0L);
    arguments[0] = 0x101000;
    arguments[1] = (uintptr_t)&pidfd;
    arguments[3] = (uintptr_t)&tid;
    if (!(pid = CALL(clone3, arguments, 64L)))
        _exit(1);
    CALL(wait4, -1, &status, 0, 0L);
    arguments[0] = 0x10000;
    CALL(clone3, arguments, 88L);
    CALL(clone3, arguments, 5L);
    CALL(clone3, 8L, 88L);
    arguments[24] = 1;
    CALL(clone3, arguments, 200L);
    char *few[] = {"a", NULL}, *many[40];
    for (int i = 0; i < 39; i++)
        many[i] = "0123456789012345678901234567890123456789";
    many[39] = NULL;
    CALL(execve, "/nope", few, 0L);
    CALL(execve, "/nope", 0L, few);
    CALL(execve, "/nope", many, many);
    CALL(execveat, AT_FDCWD, "/nope", few, few, 0x1000);
    CALL(setpgid, 0, 0);
    CALL(getsid, 77777);
    CALL(exit, 0x104);
    return 0;
}
