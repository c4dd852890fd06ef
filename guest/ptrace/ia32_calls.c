/*
 * ia32_calls -- a tracer sees calls by `int $0x80`: their architecture, number and registers, and makes them others
 */
#include "guest.h"
#include "ptrace.h"
#include <linux/audit.h>
#include <sys/syscall.h>

#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif
#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

struct call_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp;
    uint64_t values[8];
};

static long call(long number, long a, long b, long c, long d, long e)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}

static int handled;

static void on_signal(int number)
{
    (void)number;
    handled++;
}

static const char *told(long result, pid_t pid)
{
    static char text[32];
    snprintf(text, sizeof text, "%ld", result);
    return result == pid ? "tracee" : result == getpid() ? "tracer" : text;
}

static void show(pid_t pid)
{
    struct call_info info = {0};
    struct user_regs_struct regs;
    char path[64], text[128] = "";
    stop(pid, 0);
    MUST(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info));
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("op %d arch %s orig_rax %lld cs %#lx", info.op, info.arch == AUDIT_ARCH_I386 ? "i386" : "x86-64",
        (long long)regs.orig_rax, (unsigned long)regs.cs);
    if (info.op == 1)
        for (int i = 0; i < 6; i++)
            out(" %#lx", (unsigned long)info.values[i]);
    else
        out(" result %s, error %d", told((long)info.values[0], pid), (int)(info.values[1] & 1));
    out("\n");
    if (info.op == 1 && regs.orig_rax == 199) {
        snprintf(path, sizeof path, "/proc/%d/syscall", pid);
        int fd = MUST(open(path, O_RDONLY));
        MUST(read(fd, text, 30));
        close(fd);
        out("proc: %.20s\n", text);
    }
}

static void resume(int request, pid_t pid)
{
    MUST(ptrace(request, pid, 0, 0));
}

static void child(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    syscall(SYS_kill, getpid(), SIGSTOP);
    call(199, 1, 0x1234567812345678, 3, 4, 5); /* getuid32 */
    syscall(SYS_getppid, 1, 2, 3, 4, 5, 6L);
    long other = call(20, 0, 0, 0, 0, 0); /* becomes getppid */
    long none = call(20, 0, 0, 0, 0, 0);
    long emulated = call(64, 0, 0, 0, 0, 0);
    out("another %d, none %ld, emulated %ld\n", other == getppid(), none, emulated);
    sigaction(SIGUSR1, &action, NULL);
    out("pause: %s", errno_name((int)-call(29, 0, 0, 0, 0, 0)));
    out(", handled %d\n", handled);
    _exit(0);
}

int main(void)
{
    struct user_regs_struct regs;
    pid_t pid = FORK(child());
    stop(pid, 0);
    MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    for (int i = 0; i < 4; i++) {
        resume(PTRACE_SYSCALL, pid);
        show(pid);
    }
    resume(PTRACE_SYSCALL, pid);
    show(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    regs.orig_rax = 64;
    MUST(ptrace(PTRACE_SETREGS, pid, 0, &regs));
    resume(PTRACE_SYSCALL, pid);
    show(pid);
    resume(PTRACE_SYSCALL, pid);
    show(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    regs.orig_rax = -1;
    regs.rax = 77;
    MUST(ptrace(PTRACE_SETREGS, pid, 0, &regs));
    resume(PTRACE_SYSCALL, pid);
    show(pid);
    resume(PTRACE_SYSEMU, pid);
    show(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    regs.rax = 88;
    MUST(ptrace(PTRACE_SETREGS, pid, 0, &regs));
    resume(PTRACE_CONT, pid);
    await_state(pid, "S");
    sleep_ms(20);
    MUST(kill(pid, SIGUSR1));
    stop(pid, 0);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("interrupted: orig_rax %lld rax %lld\n", (long long)regs.orig_rax, (long long)regs.rax);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR1));
    stop(pid, 0);
    return 0;
}
