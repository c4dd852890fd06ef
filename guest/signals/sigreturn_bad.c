/*
 * sigreturn_bad -- a damaged signal frame, or none at all, ends in SIGSEGV, not in harm
 */
#include "guest.h"
#include <ucontext.h>

static int kind;

static void on_usr1(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    switch (kind) {
    case 0: uc->uc_mcontext.gregs[REG_RIP] = 0x800000000000; break;
    case 1: uc->uc_mcontext.gregs[REG_RSP] = 8; break;
    case 2: uc->uc_mcontext.gregs[REG_EFL] = -1; break;
    case 3: uc->uc_mcontext.fpregs = (void *)8; break;
    case 4: uc->uc_mcontext.fpregs = NULL; break;
    case 5: uc->uc_mcontext.fpregs->mxcsr = 0xffffffff; break;
    }
}

int main(void)
{
    const char *names[] = {"non-canonical rip", "stack pointer 8", "all flags", "bad FP pointer", "no FP state", "reserved MXCSR bits"};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (kind = 0; kind < 6; kind++) {
        pid_t pid = FORK({
            handle_info(SIGUSR1, on_usr1, 0);
            raise(SIGUSR1);
            long flags;
            asm volatile("pushfq\n\tpopq %0" : "=r"(flags));
            out("  came back, IOPL %ld VM %ld\n", flags >> 12 & 3, flags >> 17 & 1);
        });
        out("%s: %s\n", names[kind], status_name(reap(pid)));
    }
    pid_t pid = FORK({
        asm volatile("movq $4096, %rsp\n\tmovl $15, %eax\n\tsyscall");
    });
    out("rt_sigreturn on a stack that is not there: %s\n", status_name(reap(pid)));
    pid = FORK({
        struct sigaction action = {0};
        action.sa_handler = (void (*)(int))0x10;
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
    });
    out("a handler at address 16: %s\n", status_name(reap(pid)));
    return 0;
}
