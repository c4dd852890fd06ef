/*
 * steps -- single steps and system-call emulation: where each of them stops and what it says
 */
#include "stepping.h"

#define SYSEMU 31
#define SYSEMU_SINGLESTEP 32

static long where(void) { return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) - (long)start; }

static void single(void)
{
    out("-- single steps\n");
    begin(1);
    for (int i = 0; i < 22 && where() < end - start; i++)
        go(PTRACE_SINGLESTEP, 0);
    finish();
}

extern char flags_start[], flags_pop[], flags_end[];

/* A program that sets its own trap flag, stepped. */
static void own_flag(int from_pop)
{
    out("-- the program's own trap flag%s\n", from_pop ? ", first step" : "");
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        asm volatile("flags_start: pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "flags_pop: popfq\n"
                     "nop\n"
                     "pushfq\n"
                     "andl $~0x100, (%%rsp)\n"
                     "popfq\n"
                     "nop\n"
                     "flags_end: nop\n" ::: "memory", "cc");
        _exit(0);
    });
    waitpid(pid, NULL, 0);
    char *place = from_pop ? flags_pop : flags_start;
    long word = ptrace(PTRACE_PEEKTEXT, pid, place, 0);
    MUST(ptrace(PTRACE_POKETEXT, pid, place, (word & ~0xffL) | 0xcc));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    waitpid(pid, NULL, 0);
    MUST(ptrace(PTRACE_POKETEXT, pid, place, word));
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), place));
    for (int i = 0; i < 8; i++) {
        struct user_regs_struct regs;
        siginfo_t info;
        MUST(ptrace(i == 2 ? PTRACE_CONT : PTRACE_SINGLESTEP, pid, 0, 0));
        int status;
        MUST(waitpid(pid, &status, __WALL));
        if (!WIFSTOPPED(status)) {
            out("  %s\n", status_name(status));
            return;
        }
        MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
        MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
        out("  at %ld code %d TF %d\n", (long)regs.rip - (long)flags_start, info.si_code, (int)(regs.eflags >> 8 & 1));
    }
    finish();
}

static void emulation(void)
{
    out("-- calls that are not made\n");
    begin(1);
    go(SYSEMU, 0);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 12345));
    go(PTRACE_SINGLESTEP, 0);
    out("  rax %ld\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rax), 0));
    finish();
    out("-- and a step behind them\n");
    begin(1);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), call));
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 110));
    go(SYSEMU_SINGLESTEP, 0);
    go(SYSEMU_SINGLESTEP, 0);
    go(SYSEMU_SINGLESTEP, 0);
    finish();
    out("-- another number does not make one\n");
    begin(1);
    go(SYSEMU, 0);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), SYS_getpid));
    go(SYSEMU, 0);
    finish();
    out("-- SYSEMU, then SYSCALL\n");
    begin(1);
    go(SYSEMU, 0);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SYSCALL, 0);
    finish();
    out("-- SYSCALL, then SYSEMU\n");
    begin(1);
    go(PTRACE_SYSCALL, 0);
    go(SYSEMU, 0);
    finish();
    out("-- SYSCALL, then a step\n");
    begin(1);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SINGLESTEP, 0);
    go(PTRACE_SINGLESTEP, 0);
    finish();
    out("-- SYSCALL to the exit, then a step\n");
    begin(1);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SINGLESTEP, 0);
    finish();
}

static void injected(void)
{
    out("-- signals given back at a step\n");
    begin(1);
    go(PTRACE_SINGLESTEP, SIGUSR1);
    out("  in the handler: %d\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) == (long)on_signal);
    finish();
    out("-- signals given back in syscall stops\n");
    begin(1);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SYSCALL, SIGUSR1);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SYSCALL, 0);
    finish();
    begin(1);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_SYSCALL, 0);
    go(PTRACE_CONT, SIGTERM);
    go(PTRACE_CONT, SIGTERM);
    out("-- stepping to the end\n");
    begin(0);
    int status = go(PTRACE_SINGLESTEP, 0), steps = 0;
    while (WIFSTOPPED(status)) {
        MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status)));
        MUST(waitpid(pid, &status, __WALL));
        steps++;
    }
    out("  %s, more than 20 steps: %d\n", status_name(status), steps > 20);
    out("-- a step into SIGKILL\n");
    begin(1);
    kill(pid, SIGKILL);
    out("  %s\n", ptrace(PTRACE_SINGLESTEP, pid, 0, 0) == -1 ? errno_name(errno) : "0");
    MUST(waitpid(pid, &status, __WALL));
    out("  %s\n", status_name(status));
}

static void forks(void)
{
    out("-- a child of a stepped process does not step\n");
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        pid_t child = fork();
        if (child == 0) {
            body();
            _exit(3);
        }
        int status;
        waitpid(child, &status, 0);
        _exit(WEXITSTATUS(status));
    });
    int status;
    waitpid(pid, &status, 0);
    while (WIFSTOPPED(status)) {
        int number = WSTOPSIG(status);
        MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, number == SIGTRAP || number == SIGSTOP ? 0 : number));
        MUST(waitpid(pid, &status, __WALL));
    }
    out("  %s\n", status_name(status));
}

int main(void)
{
    single();
    own_flag(0);
    own_flag(1);
    emulation();
    injected();
    forks();
    return 0;
}
