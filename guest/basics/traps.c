/*
 * traps -- int3, ud2, division by zero, privileged instructions: signal, si_code and where RIP is
 *
 * qemu-user reports some si_codes differently.
 * guest: qemu=no
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

int main(void)
{
    int numbers[] = {SIGTRAP, SIGILL, SIGFPE, SIGSEGV, SIGBUS};
    for (int i = 0; i < 5; i++)
        handle_info(numbers[i], on_trap, 0);
    EXPERIMENT("int3", "int3");
    EXPERIMENT("int $3", "int $3");
    EXPERIMENT("ud2", "ud2");
    EXPERIMENT("div by zero", "jmp 3f\n3: xorl %%ecx, %%ecx\n\tleaq 4f(%%rip), %%r12\n4: divl %%ecx");
    EXPERIMENT("hlt", "hlt");
    EXPERIMENT("cli", "cli");
    EXPERIMENT("rdmsr", "rdmsr");
    EXPERIMENT("mov from cr0", "movq %%cr0, %%rax");
    EXPERIMENT("int $0x20", "int $0x20");
    EXPERIMENT("lidt", "lidt (%%rsp)");
    return wrong;
}
