/*
 * bench_seccomp -- a loop of getppid(2) under a filter like those of libseccomp, which allows it by its number or by an argument
 *
 * Arguments: the number of calls, "number" or "argument".
 * guest: args=1000,number qemu=no
 */
#include "bench.h"
#include "../seccomp/seccomp.h"

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 100000);
    int by_argument = argc > 2 && strcmp(argv[2], "argument") == 0;
    struct sock_filter by_number[] = {
        LOAD(arch), EQUAL(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 4, 0), EQUAL(SYS_exit_group, 2, 0), EQUAL(SYS_getppid, 1, 0),
        EQUAL(SYS_write, 0, 1), ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_filter by_first[] = {
        LOAD(arch), EQUAL(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr), EQUAL(SYS_getppid, 0, 3),
        LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1000, 0, 1), ANSWER(SECCOMP_RET_ERRNO | EPERM),
        ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_KILL_PROCESS),
    };

    no_new_privs();
    MUST(install_program(0, by_argument ? by_first : by_number, 10));
    start();
    for (long i = 0; i < n; i++)
        syscall(SYS_getppid, 1);
    stop();
    return 0;
}
