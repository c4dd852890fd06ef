/*
 * rawclone.h -- clone(2) and clone3(2) without libc: libc's wrappers refuse or hide what these experiments try.
 */
#ifndef RAWCLONE_H
#define RAWCLONE_H

#include "guest.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define RAW_STACK 65536

/* A child on its own stack that runs function(argument) and leaves with exit(2), not exit_group(2). */
__attribute__((unused, noinline)) static long raw_clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid,
                                                        void *tls, int (*function)(void *), void *argument)
{
    long *top = (long *)(((uintptr_t)stack + RAW_STACK) & ~15UL);
    *--top = (long)argument;
    *--top = (long)function;
    register int *r10 asm("r10") = child_tid;
    register void *r8 asm("r8") = tls;
    long result;
    asm volatile("syscall\n\t"
                 "testq %%rax, %%rax\n\t"
                 "jnz 1f\n\t"
                 "xorl %%ebp, %%ebp\n\t"
                 "popq %%rax\n\t"
                 "popq %%rdi\n\t"
                 "callq *%%rax\n\t"
                 "movl %%eax, %%edi\n\t"
                 "movl $60, %%eax\n\t"
                 "syscall\n\t"
                 "1:"
                 : "=a"(result)
                 : "0"(SYS_clone), "D"(flags), "S"(top), "d"(parent_tid), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

/* Like fork: no stack of its own, returns twice. */
__attribute__((unused)) static long raw_fork(unsigned long flags, int *parent_tid, int *child_tid)
{
    return syscall(SYS_clone, flags, 0, parent_tid, child_tid, 0);
}

struct clone3_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

__attribute__((unused)) static long raw_clone3(struct clone3_arguments *arguments, size_t size)
{
    return syscall(SYS_clone3, arguments, size);
}

__attribute__((unused)) static void *new_stack(void)
{
    return (void *)MUST(mmap(NULL, RAW_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

#endif
