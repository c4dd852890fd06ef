/*
 * registers -- memory and registers of a tracee: words, register sets, breakpoints, single steps
 */
#include "guest.h"
#include "ptrace.h"
#include <elf.h>

static volatile long variable = 0x1122334455667788;
static const long constant = 0x0102030405060708;
extern char body_start[], body_break[], body_call[], body_end[];

__attribute__((noinline)) static long body(long a)
{
    long result;
    asm volatile("body_start: leaq 1(%1), %%rax\n"
                 "body_break: addq $2, %%rax\n"
                 "nop\n"
                 "movq %%rax, %%rbx\n"
                 "movl $110, %%eax\n"
                 "body_call: syscall\n"
                 "movq %%rbx, %%rax\n"
                 "body_end: nop\n"
                 : "=a"(result)
                 : "r"(a)
                 : "rbx", "rcx", "r11", "memory", "cc");
    return result;
}

static void on_signal(int number) { variable++; }

static pid_t start(void)
{
    pid_t pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        handle(SIGUSR1, on_signal, 0);
        raise(SIGSTOP);
        long result = body(10);
        out("body: %ld variable %#lx\n", result, variable);
        raise(SIGUSR1);
        raise(SIGUSR1);
    });
    waitpid(pid, NULL, 0);
    return pid;
}

#define PEEK(request, address)                                                                     \
    ({                                                                                             \
        long peeked = 0;                                                                           \
        long peek_result = syscall(SYS_ptrace, (long)(request), (long)pid, (long)(address), &peeked); \
        peek_result == -1 ? out("%s\n", errno_name(errno)) : out("%#lx\n", peeked);                \
        peeked;                                                                                    \
    })

int main(void)
{
    pid_t pid = start();
    out("-- memory\n");
    PEEK(PTRACE_PEEKDATA, &variable);
    PEEK(PTRACE_PEEKTEXT, (char *)&constant + 1 - 1);
    PEEK(PTRACE_PEEKDATA, 8);
    PEEK(PTRACE_PEEKDATA, -8);
    TRY(syscall(SYS_ptrace, (long)PTRACE_PEEKDATA, (long)pid, &variable, 8L));
    TRY(ptrace(PTRACE_POKEDATA, pid, &variable, 0x42));
    PEEK(PTRACE_PEEKDATA, &variable);
    TRY(ptrace(PTRACE_POKEDATA, pid, &constant, 0x43)); /* read-only: a private copy */
    PEEK(PTRACE_PEEKDATA, &constant);
    TRY(ptrace(PTRACE_POKEDATA, pid, 8, 0));
    out("here: %#lx %#lx\n", variable, *(volatile const long *)&constant);

    out("-- user area\n");
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("cs %#lx ss %#lx ds %ld es %ld fs %ld gs %ld\n", (long)regs.cs, (long)regs.ss, (long)regs.ds, (long)regs.es, (long)regs.fs,
        (long)regs.gs);
    out("same rip %d, rsp %d\n", regs.rip == (unsigned long)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0),
        regs.rsp == (unsigned long)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rsp), 0));
    PEEK(PTRACE_PEEKUSER, 4);
    PEEK(PTRACE_PEEKUSER, sizeof(struct user));
    PEEK(PTRACE_PEEKUSER, offsetof(struct user, u_debugreg[0]));
    PEEK(PTRACE_PEEKUSER, offsetof(struct user, u_tsize));
    TRY(ptrace(PTRACE_POKEUSER, pid, 4, 0));
    TRY(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_tsize), 0));
    TRY(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, cs), 0));
    TRY(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, ss), 0x28));
    TRY(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, fs_base), 1L << 47));
    TRY(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, r15), 0x1234));
    PEEK(PTRACE_PEEKUSER, offsetof(struct user_regs_struct, r15));
    TRY(ptrace(PTRACE_GETREGS, pid, 0, 8));
    TRY(ptrace(PTRACE_SETREGS, pid, 0, 8));
    TRY(ptrace(1234, pid, 0, 0));

    out("-- register sets\n");
    char buffer[1024];
    struct iovec vector = {buffer, sizeof buffer};
    TRY(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector));
    out("%zu bytes, rip %d\n", vector.iov_len, ((struct user_regs_struct *)buffer)->rip == regs.rip);
    vector = (struct iovec){buffer, 16};
    TRY(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector));
    out("%zu bytes\n", vector.iov_len);
    vector = (struct iovec){buffer, 17};
    TRY(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector));
    vector = (struct iovec){buffer, sizeof buffer};
    TRY(ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &vector));
    out("%zu bytes\n", vector.iov_len);
    TRY(ptrace(PTRACE_SETREGSET, pid, NT_PRFPREG, &vector));
    TRY(ptrace(PTRACE_GETREGSET, pid, 0x7777, &vector));
    TRY(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8));
    struct user_fpregs_struct fp;
    MUST(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
    out("control %#x mxcsr %#x\n", fp.cwd, fp.mxcsr);
    fp.xmm_space[0] = 0x3f800000;
    TRY(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
    memset(&fp, 0, sizeof fp);
    MUST(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
    out("xmm0 %#x\n", fp.xmm_space[0]);
    fp.mxcsr = 0x80000000;
    TRY(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));

    out("-- breakpoint\n");
    long word = ptrace(PTRACE_PEEKTEXT, pid, body_break, 0);
    MUST(ptrace(PTRACE_POKETEXT, pid, body_break, (word & ~0xffL) | 0xcc));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("behind it: %d rax %ld orig_rax %ld\n", regs.rip == (unsigned long)body_break + 1, (long)regs.rax, (long)regs.orig_rax);
    MUST(ptrace(PTRACE_POKETEXT, pid, body_break, word));
    regs.rip--;
    regs.rax += 100;
    MUST(ptrace(PTRACE_SETREGS, pid, 0, &regs));

    out("-- single steps\n");
    for (int i = 0; i < 8; i++) {
        siginfo_t info;
        MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
        int status;
        waitpid(pid, &status, 0);
        MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
        MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
        out("%s code %d at %ld, si_addr is rip: %d, TF %d\n", stop_name(status), info.si_code,
            (long)regs.rip - (long)body_start, info.si_addr == (void *)regs.rip, (int)(regs.eflags >> 8 & 1));
    }
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);

    out("-- stepping into a handler\n");
    MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, SIGUSR1));
    stop(pid, 0);
    show_siginfo(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("at its first instruction: %d, TF %d\n", regs.rip == (unsigned long)on_signal, (int)(regs.eflags >> 8 & 1));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR1));
    stop(pid, 0);

    out("-- stepping from a syscall stop\n");
    pid = start();
    MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    kill(pid, SIGKILL);
    stop(pid, 0);
    return 0;
}
