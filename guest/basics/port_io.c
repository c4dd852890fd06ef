/*
 * port_io -- reading and writing I/O ports without permission is SIGSEGV
 */
#include "guest.h"
#include <ucontext.h>

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    long start = regs[REG_R12]; /* each experiment leaves its instruction's address here */
    out("%s code %d trap %lld rip +%ld address %s\n", signal_name(number), info->si_code, (long long)regs[REG_TRAPNO],
        (long)regs[REG_RIP] - start, (long)info->si_addr == start ? "instruction" : info->si_addr ? "other" : "0");
    regs[REG_RIP] = regs[REG_R13];
}

#define EXPERIMENT(name, instruction)                                                          \
    do {                                                                                       \
        out("%-18s ", name);                                                                   \
        asm volatile("leaq 1f(%%rip), %%r12\n\tleaq 2f(%%rip), %%r13\n\t1: " instruction "\n2:" \
                     ::: "r12", "r13", "rax", "rbx", "rcx", "rdx", "memory", "cc");            \
    } while (0)

__attribute__((used)) static volatile int behind;

int main(void)
{
    int numbers[] = {SIGTRAP, SIGILL, SIGFPE, SIGSEGV, SIGBUS};
    for (int i = 0; i < 5; i++)
        handle_info(numbers[i], on_trap, 0);
    EXPERIMENT("in", "inb $0x80, %%al");
    EXPERIMENT("out", "outb %%al, $0x80");
    EXPERIMENT("in from dx", "inl %%dx, %%eax");
    EXPERIMENT("store behind", "outb %%al, %%dx\n\tmovl $1, behind(%%rip)");
    out("stored %d\n", behind);
    return wrong;
}
