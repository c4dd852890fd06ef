/*
 * thread_state -- segment bases and the restartable-sequence registration of a tracee
 */
#include "guest.h"
#include "ptrace.h"

#ifndef ARCH_SET_FS
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#endif

static char area[64] __attribute__((aligned(32)));

int main(void)
{
    pid_t pid = FORK({
        syscall(SYS_rseq, area, 32, 0, 0x1234);
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        unsigned long base = 0;
        syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
        out("gs base %#lx\n", base);
    });
    stop(pid, 0);
    unsigned long base = 1;
    TRY(ptrace(30, pid, &base, ARCH_GET_GS));
    out("gs base %#lx\n", base);
    TRY(ptrace(30, pid, &base, ARCH_GET_FS));
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("fs base is that of the registers: %d\n", base == regs.fs_base);
    TRY(ptrace(30, pid, 0x123000, ARCH_SET_GS));
    TRY(ptrace(30, pid, 1UL << 60, ARCH_SET_GS));
    TRY(ptrace(30, pid, 8, ARCH_GET_GS));
    TRY(ptrace(30, pid, 0, 0x1999));
    struct {
        unsigned long pointer;
        unsigned size, signature, flags, pad;
    } rseq = {0};
    TRY(ptrace(0x420f, pid, sizeof rseq, &rseq));
    out("rseq size %u flags %u\n", rseq.size, rseq.flags);
    memset(&rseq, 0xff, sizeof rseq);
    TRY(ptrace(0x420f, pid, 8, &rseq));
    out("rseq signature %#x\n", rseq.signature);
    TRY(ptrace(0x420f, pid, 8, 8));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    return 0;
}
