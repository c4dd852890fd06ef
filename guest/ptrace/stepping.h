/* A program to step through, and a look at each stop: shared by the programs about single steps and block steps. */
#ifndef STEPPING_H
#define STEPPING_H

#include "guest.h"
#include "ptrace.h"

extern char start[], loop[], call[], after[], end[], handler_start[];
static pid_t pid;

__attribute__((noinline)) static void body(void)
{
    asm volatile("start: nop\n"
                 "movl $3, %%ecx\n"
                 "loop: decl %%ecx\n"
                 "nop\n"
                 "jnz loop\n"
                 "movl $110, %%eax\n"
                 "call: syscall\n"
                 "after: nop\n"
                 "jmp 1f\n"
                 "nop\n"
                 "1: pushfq\n"
                 "popq %%rax\n"
                 "nop\n"
                 "end: nop\n" ::: "rax", "rcx", "rdx", "r11", "memory", "cc");
}

__attribute__((noinline)) static void on_signal(int number) { asm volatile("handler_start: nop"); }

/* Resume with a request and say where the tracee stopped and why. */
static int go(long request, int number)
{
    int status;
    siginfo_t info;
    struct user_regs_struct regs;
    MUST(ptrace(request, pid, 0, number));
    MUST(waitpid(pid, &status, __WALL));
    if (!WIFSTOPPED(status)) {
        out("  %s\n", status_name(status));
        return status;
    }
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    long at = regs.rip - (long)start;
    if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == -1)
        info.si_code = 0;
    out("  %s code %d", stop_name(status), info.si_code);
    if (at >= 0 && at <= end - start)
        out(" at %ld, TF %d", at, (int)(regs.eflags >> 8 & 1));
    if ((long)regs.orig_rax >= 0)
        out(", call %ld", (long)regs.orig_rax);
    out(", DR6 %#lx\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), 0));
    return status;
}

static void begin(int stop_at_start)
{
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        handle(SIGUSR1, on_signal, 0);
        raise(SIGSTOP);
        body();
        raise(SIGUSR1);
        _exit(0);
    });
    waitpid(pid, NULL, 0);
    if (stop_at_start) {
        long word = ptrace(PTRACE_PEEKTEXT, pid, start, 0);
        MUST(ptrace(PTRACE_POKETEXT, pid, start, (word & ~0xffL) | 0xcc));
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
        waitpid(pid, NULL, 0);
        MUST(ptrace(PTRACE_POKETEXT, pid, start, word));
        MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), start));
        MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[6]), 0));
    }
}

static void finish(void)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

#endif
