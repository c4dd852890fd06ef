/* segments.h -- descriptors of one's own, and running code of 32 and 16 bits in them. */
#ifndef GUEST_SEGMENTS_H
#define GUEST_SEGMENTS_H
#include "guest.h"

struct descriptor {
    unsigned entry, base, limit;
    unsigned seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1, seg_not_present : 1, useable : 1, lm : 1;
};

enum { DATA, EXPAND_DOWN, CODE, CONFORMING };
enum { USER32 = 0x23, USER_DATA = 0x2b, USER64 = 0x33 };

#define LDT(entry) ((entry) << 3 | 7)

/* modify_ldt(2) as the kernel returns it, all 64 bits. */
__attribute__((unused)) static unsigned long modify_ldt(long function, const void *at, unsigned long size)
{
    unsigned long result;
    asm volatile("syscall" : "=a"(result) : "a"(SYS_modify_ldt), "D"(function), "S"(at), "d"(size) : "rcx", "r11", "memory");
    return result;
}

__attribute__((unused)) static void set_ldt(struct descriptor d)
{
    unsigned long result = modify_ldt(0x11, &d, sizeof d);
    if (result)
        out("modify_ldt: %#lx\n", result);
}

__attribute__((unused)) static long int80(long number, long a, long b, long c, long d, long e)
{
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return (int)result;
}

/* Two pages below 4 GiB: code, and the stack of call_far. */
static unsigned char *low;
static uint64_t far_rsp;

__attribute__((unused)) static void map_low(void)
{
    low = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED)
        _exit(97);
}

/* Run the code at `offset` of code segment `cs`, with `ds` in DS and ES; it ends with a far return of 32 bits.  Its EAX. */
uint32_t call_far(uint32_t offset, uint32_t cs, uint32_t ds, uint64_t stack, uint64_t *saved);
__asm__(".text\ncall_far:\n\t"
        "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\tmov %rsp, (%r8)\n\t"
        /* On the low stack: the address of the trampoline below, for the far return. */
        "mov %rcx, %rsp\n\tsub $16, %rsp\n\tmov %ecx, (%rsp)\n\tmovl $0x33, 4(%rsp)\n\t"
        "mov %edx, %ds\n\tmov %edx, %es\n\t"
        /* The trampoline stands at the top of the stack: movabs $1f, %rcx; jmp *%rcx. */
        "lea 1f(%rip), %r9\n\tmovw $0xb948, (%rcx)\n\tmov %r9, 2(%rcx)\n\tmovw $0xe1ff, 10(%rcx)\n\t"
        "mov %r8, 16(%rcx)\n\tmov %esi, %esi\n\tmov %edi, %edi\n\tsub $16, %rsp\n\tmov %rsi, 8(%rsp)\n\tmov %rdi, (%rsp)\n\tlretq\n"
        /* Behind the trampoline is where the stack pointer was kept; the low stack pointer has come up to it again. */
        "1:\n\tmov 24(%rsp), %rsp\n\tmov (%rsp), %rsp\n\t"
        "xor %ecx, %ecx\n\tmov %ecx, %ds\n\tmov %ecx, %es\n\t"
        "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n");

#define FAR_STACK ((uint64_t)low + 8192 - 64)
#define CALL_FAR(offset, cs, ds) call_far(offset, cs, ds, FAR_STACK, &far_rsp)

__attribute__((unused)) static void put_code(unsigned offset, const char *bytes, unsigned length)
{
    memcpy(low + offset, bytes, length);
}

#define PUT(offset, bytes) put_code(offset, bytes, sizeof(bytes) - 1)
#endif
