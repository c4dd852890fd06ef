/*
 * seccomp_tracer -- SECCOMP_RET_TRACE and PTRACE_EVENT_SECCOMP: order of stops, changing and skipping calls, what a tracer can see
 * guest: needs=root,proc
 */
#include "guest.h"
#include "seccomp.h"
#include "../ptrace/ptrace.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif
#ifndef PTRACE_SECCOMP_GET_METADATA
#define PTRACE_SECCOMP_GET_METADATA 0x420d
#endif
#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP 0x200000
#endif

struct info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp, nr, args[6];
    uint32_t ret_data;
};

static void show(pid_t pid, int status)
{
    struct user_regs_struct regs;
    struct info info;
    unsigned long message = 99;

    if (!WIFSTOPPED(status))
        return;
    memset(&info, 0xee, sizeof info);
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
    long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
    long long result = (long long)regs.rax > 0 && regs.rax != regs.orig_rax ? 1 : (long long)regs.rax; /* 1: a pid */
    out("  orig_rax %lld rax %lld message %lu, info op %d size %ld", regs.orig_rax, result, message, info.op, size);
    if (info.op == 1 || info.op == 3)
        out(" nr %llu arg %llu", (unsigned long long)info.nr, (unsigned long long)info.args[0]);
    if (info.op == 3)
        out(" data %u", info.ret_data);
    out("\n");
}

static void set(pid_t pid, long number, long result, long argument)
{
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    regs.orig_rax = number;
    regs.rax = result;
    regs.rdi = argument;
    ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

/* A tracee under `options` that runs `body` after its first stop. */
#define TRACEE(options, ...)                                       \
    ({                                                             \
        pid_t tracee = FORK({                                      \
            no_new_privs();                                        \
            ptrace(PTRACE_TRACEME, 0, 0, 0);                       \
            raise(SIGSTOP);                                        \
            __VA_ARGS__;                                           \
        });                                                        \
        reap(tracee);                                              \
        ptrace(PTRACE_SETOPTIONS, tracee, 0, options | PTRACE_O_EXITKILL); \
        tracee;                                                    \
    })

static int go(pid_t pid, int request)
{
    ptrace(request, pid, 0, 0);
    int status = stop(pid, 0);
    show(pid, status);
    return status;
}

static void order(void)
{
    out("-- all stops, TRACESYSGOOD\n");
    pid_t pid = TRACEE(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD, {
        install(0, SYS_getsid, SECCOMP_RET_TRACE | 0x1234);
        call(SYS_getsid, 0x7ffffff5, 0, 0);
    });
    for (int i = 0; i < 7; i++)
        go(pid, PTRACE_SYSCALL);
    kill(pid, SIGKILL);
    stop(pid, 0);

    out("-- seccomp stops only, then on to the exit of the call\n");
    pid = TRACEE(PTRACE_O_TRACESECCOMP, {
        install(0, SYS_getsid, SECCOMP_RET_TRACE);
        call(SYS_getsid, 0x7ffffff5, 0, 0);
        _exit(call(SYS_getsid, 0x7ffffff6, 0, 0) == -ESRCH || 1);
    });
    go(pid, PTRACE_CONT);
    go(pid, PTRACE_SYSCALL);
    go(pid, PTRACE_CONT);
    go(pid, PTRACE_CONT);

    out("-- the tracer did not ask\n");
    pid = TRACEE(0, {
        install(0, SYS_getsid, SECCOMP_RET_TRACE);
        _exit(-call(SYS_getsid, 0, 0, 0));
    });
    go(pid, PTRACE_CONT);
}

/* What the tracer makes of the call in the seccomp stop. */
static void changed(const char *what, long number, long result, long argument, unsigned other)
{
    out("-- %s\n", what);
    pid_t pid = TRACEE(PTRACE_O_TRACESECCOMP, {
        install(0, SYS_getppid, other);
        install(0, SYS_getsid, SECCOMP_RET_TRACE | 7);
        long got = call(SYS_getsid, 0, 0, 0);
        call(SYS_exit_group, got < 0 ? -got : got == getpid() ? 200 : got == 4242 ? 201 : 202, 0, 0);
    });
    go(pid, PTRACE_CONT);
    set(pid, number, result, argument);
    show(pid, 0x137f);
    ptrace(PTRACE_CONT, pid, 0, 0);
    for (int i = 0, status; i < 3; i++) {
        status = stop(pid, 0);
        if (!WIFSTOPPED(status))
            break;
        ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
    }
}

/* A call changed at its entry is judged as what it became. */
static void changed_at_entry(const char *what, long number, unsigned answer)
{
    out("-- at entry: %s\n", what);
    pid_t pid = TRACEE(PTRACE_O_TRACESYSGOOD, {
        struct sock_filter filter[] = {LOAD(nr), EQUAL((unsigned)number, 0, 1), ANSWER(answer), ANSWER(SECCOMP_RET_ALLOW)};
        install_program(0, filter, LENGTH(filter));
        long got = call(SYS_getsid, 0, 0, 0);
        call(SYS_exit_group, got < 0 ? -got : got == getpid() ? 200 : 201, 0, 0);
    });
    go(pid, PTRACE_SYSCALL); /* into seccomp(2) */
    go(pid, PTRACE_SYSCALL);
    go(pid, PTRACE_SYSCALL); /* into getsid(2) */
    set(pid, number, -77, 0);
    go(pid, PTRACE_SYSCALL);
    go(pid, PTRACE_CONT);
}

static void killed(void)
{
    out("-- KILL_PROCESS shows no signal\n");
    pid_t pid = TRACEE(PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD, {
        install(0, SYS_getsid, SECCOMP_RET_KILL_PROCESS);
        call(SYS_getsid, 0, 0, 0);
    });
    go(pid, PTRACE_CONT);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    show_status(path, "Seccomp");
    go(pid, PTRACE_CONT);

    out("-- TRAP does\n");
    pid = TRACEE(0, {
        install(0, SYS_getsid, SECCOMP_RET_TRAP | 3);
        _exit(call(SYS_getsid, 0, 0, 0));
    });
    go(pid, PTRACE_CONT);
    siginfo_t info;
    ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
    out("siginfo %d code %d errno %d nr %d\n", info.si_signo, info.si_code, info.si_errno, info.si_syscall);
    go(pid, PTRACE_CONT);

    out("-- SIGKILL in the seccomp stop\n");
    pid = TRACEE(PTRACE_O_TRACESECCOMP, {
        install(0, SYS_getsid, SECCOMP_RET_TRACE);
        call(SYS_getsid, 0, 0, 0);
    });
    go(pid, PTRACE_CONT);
    kill(pid, SIGKILL);
    stop(pid, 0);

    out("-- PTRACE_SYSEMU comes before the filter\n");
    pid = TRACEE(PTRACE_O_TRACESECCOMP, {
        install(0, SYS_getsid, SECCOMP_RET_KILL_PROCESS);
        _exit(call(SYS_getsid, 0, 0, 0) == -ENOSYS ? 9 : 8);
    });
    go(pid, PTRACE_SYSCALL);
    go(pid, PTRACE_SYSCALL);
    go(pid, PTRACE_SYSEMU);
    go(pid, PTRACE_CONT);
}

static void look(void)
{
    struct sock_filter program[16];
    struct {
        uint64_t offset, flags;
    } meta = {0, 9};
    pid_t pid = TRACEE(0, {
        install(SECCOMP_FILTER_FLAG_LOG, SYS_getsid, SECCOMP_RET_ERRNO | 1);
        struct sock_filter other[] = {ANSWER(SECCOMP_RET_ALLOW)};
        install_program(0, other, 1);
        raise(SIGSTOP);
    });
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, program));
    TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof meta, &meta));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL));
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, program));
    for (int i = 0; i < 4; i++)
        out("  %#x %u %u %#x\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 1, program));
    out("  %#x %#x\n", program[0].code, program[0].k);
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 2, program));
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, -1L, program));
    TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, (void *)8));
    for (meta.offset = 0; meta.offset < 3; meta.offset++) {
        meta.flags = 77;
        TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof meta, &meta));
        out("  flags %lu\n", (unsigned long)meta.flags);
    }
    meta.offset = 0;
    TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, 8L, &meta));
    TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, 7L, &meta));
    TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, 100L, &meta));
    TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof meta, (void *)8));
    pid_t confined = FORK({
        install(0, SYS_getsid, SECCOMP_RET_ALLOW);
        pid_t own = TRACEE(0, install(0, SYS_getsid, SECCOMP_RET_ALLOW));
        TRY(ptrace(PTRACE_SECCOMP_GET_FILTER, own, 0, NULL));
        TRY(ptrace(PTRACE_SECCOMP_GET_METADATA, own, 3L, NULL));
        TRY(ptrace(PTRACE_SETOPTIONS, own, 0, PTRACE_O_SUSPEND_SECCOMP));
        ptrace(PTRACE_CONT, own, 0, 0);
        stop(own, 0);
    });
    reap(confined);
    kill(pid, SIGKILL);
    stop(pid, 0);
}

static void suspended(void)
{
    out("-- suspended\n");
    pid_t pid = TRACEE(0, {
        install(0, SYS_getsid, SECCOMP_RET_KILL_PROCESS);
        raise(SIGSTOP);
        raise(call(SYS_getsid, 0, 0, 0) > 0 ? SIGCONT : SIGTERM);
        call(SYS_getsid, 0, 0, 0);
    });
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    TRY(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    show_status(path, "Seccomp");
    TRY(ptrace(PTRACE_SETOPTIONS, pid, 0, 0));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
}

int main(void)
{
    NEED_ROOT;
    order();
    changed("untouched", SYS_getsid, -ENOSYS, 0, SECCOMP_RET_ALLOW);
    changed("skipped", -1, -EPERM, 0, SECCOMP_RET_ALLOW);
    changed("skipped with a value", -1, 4242, 0, SECCOMP_RET_ALLOW);
    changed("skipped by a 32-bit -1", 0xffffffff, -EPERM, 0, SECCOMP_RET_ALLOW);
    changed("another call", SYS_getpid, -ENOSYS, 0, SECCOMP_RET_ALLOW);
    changed("another argument", SYS_getsid, -ENOSYS, 0x7ffffff0, SECCOMP_RET_ALLOW);
    changed("a call that fails", SYS_getppid, -ENOSYS, 0, SECCOMP_RET_ERRNO | 33);
    changed("a call that traps", SYS_getppid, -ENOSYS, 0, SECCOMP_RET_TRAP);
    changed("a call that kills", SYS_getppid, -ENOSYS, 0, SECCOMP_RET_KILL_PROCESS);
    changed("a call that is traced", SYS_getppid, -ENOSYS, 0, SECCOMP_RET_TRACE);
    changed("no such call", 5000, -ENOSYS, 0, SECCOMP_RET_ALLOW);
    changed_at_entry("allowed", SYS_getpid, SECCOMP_RET_ALLOW);
    changed_at_entry("fails", SYS_getpid, SECCOMP_RET_ERRNO | 9);
    changed_at_entry("killed", SYS_getpid, SECCOMP_RET_KILL_PROCESS);
    changed_at_entry("-1 allowed", -1, SECCOMP_RET_ALLOW);
    changed_at_entry("-1 fails", -1, SECCOMP_RET_ERRNO | 9);
    changed_at_entry("-1 killed", -1, SECCOMP_RET_KILL_PROCESS);
    killed();
    look();
    suspended();
    return 0;
}
