/* Filters on the host: for each program on standard input, is it accepted, and what does it answer to getsid with six arguments?
 *
 * Input: a 16-bit length, six 64-bit arguments, the instructions; again and again.  Output, a line each: "refused ERRNO",
 * "killed", or the error number the filter answered with.  A filter lasts, so every program has a process of its own, which
 * cannot make calls any more and ends by an invalid instruction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    static struct sock_filter filter[65535];
    struct rlimit none = {0, 0};
    volatile long *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint16_t length;
    uint64_t a[6];

    setrlimit(RLIMIT_CORE, &none);
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        struct sock_fprog program = {length, filter};
        int status;
        if (fread(a, sizeof a, 1, stdin) != 1 || fread(filter, sizeof *filter, length, stdin) != length)
            return 1;
        result[0] = result[1] = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
                result[0] = errno;
                _exit(0);
            }
            register uint64_t r10 asm("r10") = a[3];
            register uint64_t r8 asm("r8") = a[4];
            register uint64_t r9 asm("r9") = a[5];
            long got;
            asm volatile("syscall"
                         : "=a"(got)
                         : "0"(SYS_getsid), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
            result[1] = got;
            __builtin_trap();
        }
        waitpid(pid, &status, 0);
        if (result[0])
            printf("refused %ld\n", result[0]);
        else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
            printf("killed\n");
        else
            printf("%ld\n", -result[1]);
    }
    return 0;
}
