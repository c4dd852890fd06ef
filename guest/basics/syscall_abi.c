/*
 * syscall_abi -- the register contract of `syscall`: what is kept, what is clobbered, unknown numbers
 */
#include "guest.h"

int main(void)
{
    long result;
    unsigned long rcx, r11, flags, here;
    unsigned long rbx = 0x1111, rdi = 0x5555, rsi = 0x6666, rdx = 0x7777, r10 = 0x8888, r8v = 0x9999, r9v = 0xaaaa;
    register unsigned long r10r asm("r10") = r10;
    register unsigned long r8r asm("r8") = r8v;
    register unsigned long r9r asm("r9") = r9v;
    asm volatile("movq $39, %%rax\n\t"
                 "syscall\n\t"
                 "1: leaq 1b(%%rip), %[here]\n\t"
                 "movq %%r11, %[r11]\n\t"
                 "pushfq\n\tpopq %[flags]\n\t"
                 : "=&a"(result), "=&c"(rcx), [r11] "=&r"(r11), [here] "=&r"(here), [flags] "=&r"(flags), "+D"(rdi), "+S"(rsi),
                   "+d"(rdx), "+b"(rbx), "+r"(r10r), "+r"(r8r), "+r"(r9r)
                 :
                 : "r11", "memory");
    unsigned long after_r10 = r10r, after_r8 = r8r, after_r9 = r9r; /* before any call clobbers them */
    expect(result == getpid(), "rax is the result");
    expect(rcx == here, "rcx is the address behind the instruction");
    expect((r11 & 0x200) && ((r11 ^ flags) & ~0x8d5UL) == 0, "r11 is rflags");
    expect(rdi == 0x5555 && rsi == 0x6666 && rdx == 0x7777 && rbx == 0x1111 && after_r10 == 0x8888 &&
               after_r8 == 0x9999 && after_r9 == 0xaaaa,
           "arguments and the others are kept");
    TRY(syscall(999));
    TRY(syscall(-1));
    TRY(syscall(0x7fffffff));
    /* Only the low 32 bits of rax choose the call (do_syscall_64 takes an int, extended since 5.13). */
    expect(syscall(SYS_getppid) == getppid(), "getppid");
    /* Arguments are taken at the width of the prototype: an fd is 32 bits. */
    int pipes[2];
    MUST(pipe(pipes));
    TRY(syscall(SYS_write, (unsigned long)pipes[1] | 0xdead00000000UL, "x", 1UL));
    char byte;
    TRY(syscall(SYS_read, (unsigned long)pipes[0] | 0xbeef00000000UL, &byte, 1UL));
    /* SSE registers survive a system call. */
    double values[2] = {1.25, 2.5}, after[2];
    asm volatile("movupd %1, %%xmm7\n\tmovl $39, %%eax\n\tsyscall\n\tmovupd %%xmm7, %0"
                 : "=m"(after)
                 : "m"(values)
                 : "rax", "rcx", "r11", "xmm7", "memory");
    expect(after[0] == 1.25 && after[1] == 2.5, "xmm7 is kept");
    /* The direction flag and other user flags come back as they were. */
    unsigned long before_df, after_df;
    asm volatile("std\n\tpushfq\n\tpopq %0\n\tmovl $39, %%eax\n\tsyscall\n\tpushfq\n\tpopq %1\n\tcld"
                 : "=&r"(before_df), "=&r"(after_df)
                 :
                 : "rax", "rcx", "r11", "memory", "cc");
    expect((before_df & 0x400) && (after_df & 0x400), "DF is kept");
    return wrong;
}
