/*
 * efault -- bad pointers given to the kernel are EFAULT, never a signal, and partial transfers count
 */
#include "guest.h"

int main(void)
{
    size_t page = 4096;
    char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *edge = area + page;
    memset(area, 'e', 2 * page);
    mprotect(edge, page, PROT_NONE);
    char *volatile bad = (char *)8; /* volatile: the compiler must not know */
    char *volatile kernel = (char *)0xffff800000000000;
    int pipes[2];
    MUST(pipe(pipes));
    TRY(write(pipes[1], bad, 1));
    TRY(write(pipes[1], kernel, 1));
    TRY(write(pipes[1], "abc", 3));
    TRY(read(pipes[0], bad, 3));
    TRY(read(pipes[0], area, 100));
    TRY(write(pipes[1], "defgh", 5));
    TRY(read(pipes[0], (void *)main, 1));
    TRY(open(bad, O_RDONLY));
    TRY(open(edge - 3, O_RDONLY));
    TRY(syscall(SYS_uname, bad));
    TRY(syscall(SYS_gettimeofday, bad, NULL));
    TRY(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad));
    TRY(pipe((int *)bad));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, bad, 8));
    TRY(syscall(SYS_nanosleep, bad, NULL));
    TRY(syscall(SYS_futex, bad, 0, 0, NULL, NULL, 0));
    TRY(syscall(SYS_stat, ".", bad));
    TRY(getcwd(edge, 100));
    TRY(poll((struct pollfd *)bad, 1, 0));
    TRY(writev(pipes[1], (struct iovec *)bad, 1));
    TRY(execve(bad, NULL, NULL));
    TRY(execve("/bin/true", (char **)bad, NULL));

    /* A write that starts well and then meets a bad page: the good part is written. */
    struct iovec parts[2] = {{area, 10}, {bad, 10}};
    TRY(writev(pipes[1], parts, 2));
    char buffer[100];
    TRY(read(pipes[0], buffer, sizeof buffer));
    int file = memfd_create("partial", 0);
    TRY(write(file, edge - 10, 20));
    TRY(lseek(file, 0, SEEK_CUR));
    pid_t child = FORK(_exit(7));
    TRY_OK(waitpid(child, (int *)bad, 0));
    TRY(wait4(-1, NULL, 0, NULL));
    return wrong;
}
