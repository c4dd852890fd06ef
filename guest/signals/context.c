/*
 * context -- what a handler finds in its ucontext, and what changing it does
 */
#include "guest.h"
#include <ucontext.h>

static ucontext_t *volatile last;

static void look(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    last = uc;
    out("rbx %#llx r15 %#llx\n", uc->uc_mcontext.gregs[REG_RBX], uc->uc_mcontext.gregs[REG_R15]);
    uc->uc_mcontext.gregs[REG_RBX] = 0x5678;
    uc->uc_mcontext.gregs[REG_EFL] |= 1; /* carry */
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    expect(sigismember(&uc->uc_sigmask, SIGTERM) == 1 && sigismember(&uc->uc_sigmask, SIGUSR1) == 0,
           "uc_sigmask is the mask before the signal");
    expect(uc->uc_link == NULL, "uc_link is NULL");
    expect((uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff) == 0x33, "cs is 0x33");
    expect(((uintptr_t)uc->uc_mcontext.fpregs & 15) == 0 && uc->uc_mcontext.fpregs != NULL, "FP state is there and aligned");
    unsigned long sp;
    asm("movq %%rsp, %0" : "=r"(sp));
    expect((unsigned long)uc->uc_mcontext.gregs[REG_RSP] - sp > 128, "the frame lies below the red zone");
}

static void skip(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_R12];
    uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void change_sse(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    double value = 99.5;
    memcpy(&uc->uc_mcontext.fpregs->_xmm[5], &value, 8);
}

static void result_of_call(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    out("interrupted call: rax in the context %lld\n", (long long)uc->uc_mcontext.gregs[REG_RAX]);
    uc->uc_mcontext.gregs[REG_RAX] = 1234;
}

int main(void)
{
    mask(SIG_BLOCK, SIGTERM);
    handle_info(SIGUSR1, look, 0);
    unsigned long rbx = 0x1234, carry = 0;
    long pid = getpid(), tid = syscall(SYS_gettid), result;
    asm volatile("movq $0xabcdef, %%r15\n\tclc\n\tsyscall\n\tsetc %b[carry]"
                 : "+b"(rbx), "=a"(result), [carry] "=r"(carry)
                 : "1"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1)
                 : "r15", "rcx", "r11", "memory", "cc");
    out("after the handler: rbx %#lx carry %d result %ld\n", rbx, (int)(carry & 1), result);
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("mask now: USR2 %d TERM %d\n", sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
    mask(SIG_UNBLOCK, SIGUSR2);

    /* A fault handler moves RIP behind the faulting instruction. */
    handle_info(SIGSEGV, skip, 0);
    long value;
    asm volatile("leaq 1f(%%rip), %%r12\n\tmovq 8, %%rax\n1:" : "=a"(value)::"r12", "memory");
    out("the load was replaced: %ld\n", value);

    handle_info(SIGUSR1, change_sse, 0);
    double before = 1.5, after;
    asm volatile("movsd %[before], %%xmm5\n\tsyscall\n\tmovsd %%xmm5, %[after]"
                 : [after] "=m"(after), "=a"(result)
                 : [before] "m"(before), "1"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1)
                 : "xmm5", "rcx", "r11", "memory");
    out("xmm5 after the handler changed it: %.1f\n", after);

    handle_info(SIGALRM, result_of_call, 0);
    struct itimerval timer = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    out("pause with a changed result: %ld\n", syscall(SYS_pause));
    return wrong;
}
