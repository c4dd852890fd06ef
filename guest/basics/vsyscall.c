/*
 * vsyscall -- the three calls at fixed addresses: results, bad pointers, filters
 * guest: qemu=no
 */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <ucontext.h>

#define VSYSCALL(n) (0xffffffffff600000ul + 0x400 * (n))
typedef long function(long, long, long);

static long call(int number, long a, long b, long c)
{
    return ((function *)VSYSCALL(number))(a, b, c);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    long ip = regs[REG_RIP] - VSYSCALL(0);
    int there = ip >= 0 && ip < 4096;
    out("  %s code %d, %s", signal_name(number), info->si_code, there ? "" : "ip elsewhere\n");
    if (there) {
        out("ip +%#lx\n", ip);
        regs[REG_RIP] = *(long *)regs[REG_RSP]; /* as if it had returned */
        regs[REG_RSP] += 8;
        regs[REG_RAX] = -1;
    }
}

static void filtered(const char *name, unsigned action)
{
    pid_t pid = FORK({
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_time, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, action),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, code};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
        long now = call(1, 0, 0, 0);
        out("  %s: %s\n", name, now > 1000000 ? "the time" : now < 0 ? errno_name(-now) : "another result");
    });
    out("%s: %s\n", name, status_name(reap(pid)));
}

int main(void)
{
    struct timeval tv = {0}, now;
    unsigned cpu = 77, node = 77;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    gettimeofday(&now, NULL);
    out("gettimeofday: %ld", call(0, (long)&tv, 0, 0));
    out(", near: %d\n", tv.tv_sec - now.tv_sec < 3);
    time_t seconds = 0, result = call(1, (long)&seconds, 0, 0);
    out("time: near: %d, stored: %d\n", result - now.tv_sec < 3, result == seconds);
    out("getcpu: %ld", call(2, (long)&cpu, (long)&node, 0));
    out(", stored: %d\n", cpu != 77 && node == 0);
    out("getcpu of nothing: %ld\n", call(2, 0, 0, 0));
    handle_info(SIGSEGV, on_signal, 0);
    handle_info(SIGSYS, on_signal, 0);
    out("a bad pointer\n");
    call(0, 8, 0, 0);
    out("a pointer of the kernel\n");
    call(1, 0xffff800000000000, 0, 0);
    out("a fourth function\n");
    call(3, 0, 0, 0);
    out("the middle of one\n");
    ((function *)(VSYSCALL(0) + 1))(0, 0, 0);
    out("reading it\n");
    pid_t pid = FORK({
        signal(SIGSEGV, SIG_DFL);
        out("%d\n", *(volatile char *)VSYSCALL(0));
    });
    out("%s\n", status_name(reap(pid)));
    filtered("allow", SECCOMP_RET_ALLOW);
    filtered("errno", SECCOMP_RET_ERRNO | ENODEV);
    filtered("trap", SECCOMP_RET_TRAP);
    filtered("trace", SECCOMP_RET_TRACE);
    filtered("kill", SECCOMP_RET_KILL_PROCESS);
    return wrong;
}
