/*
 * syscalls -- syscall stops: entry and exit, PTRACE_GET_SYSCALL_INFO, calls changed, skipped and emulated, restarts
 */
#include "guest.h"
#include "ptrace.h"
#include <sys/syscall.h>

struct syscall_info {
    unsigned char op;
    unsigned char pad[3];
    unsigned arch;
    unsigned long ip, sp;
    union {
        struct {
            unsigned long nr, args[6];
        } entry;
        struct {
            long rval;
            unsigned char is_error;
        } exit;
    };
};

static void show_info(pid_t pid)
{
    struct syscall_info info;
    memset(&info, 0, sizeof info);
    long size = ptrace(0x420e, pid, sizeof info, &info);
    out("info: op %d arch %#x size %ld", info.op, info.arch, size);
    if (info.op == 1)
        out(" nr %ld", (long)info.entry.nr);
    if (info.op == 1 && (info.entry.nr == SYS_dup2 || info.entry.nr == SYS_getpgid))
        out(" args %ld", (long)info.entry.args[0]);
    if (info.op == 2)
        out(" rval %ld error %d", info.exit.rval, info.exit.is_error);
    out("\n");
}

static void show_regs(pid_t pid)
{
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("orig_rax %ld rax %ld rcx is rip: %d\n", (long)regs.orig_rax, (long)regs.rax, regs.rcx == regs.rip);
}

static pid_t start(void (*body)(void), int options)
{
    pid_t pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        body();
    });
    waitpid(pid, NULL, 0);
    MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, options));
    return pid;
}

static void next(pid_t pid, int request)
{
    MUST(ptrace(request, pid, 0, 0));
    stop(pid, 0);
}

static void calls(void)
{
    /* Only raw calls: the libraries make their own differently. */
    syscall(SYS_getppid);
    long result = syscall(SYS_dup2, 77, 78);
    result = syscall(SYS_getpgid, -5);
    syscall(SYS_exit, result == -1 && errno == ESRCH ? 1 : 2);
}

/* Run to the entry of a call. */
static void to_call(pid_t pid, int number)
{
    for (;;) {
        int status;
        MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status)) {
            out("%s before call %d\n", stop_name(status), number);
            return;
        }
        struct syscall_info info;
        if (ptrace(0x420e, pid, sizeof info, &info) > 0 && info.op == 1 && (int)info.entry.nr == number)
            return;
    }
}

static void change(void)
{
    long result = syscall(SYS_getppid);
    out("skipped with a result: %ld\n", result);
    result = syscall(SYS_getpriority, 0, 0);
    out("skipped: %ld %s\n", result, result == -1 ? errno_name(errno) : "");
    result = syscall(SYS_getpgid, -5);
    out("result changed: %ld\n", result);
    result = syscall(SYS_dup, 999);
    out("another call: %s\n", result == getpid() ? "getpid" : "?");
    result = syscall(SYS_alarm, 5);
    out("argument changed: %ld\n", result);
    result = syscall(SYS_alarm, 0);
    out("left of the alarm: %ld\n", result);
}

static void emulated(void)
{
    long result = syscall(SYS_getppid);
    out("emulated: %ld\n", result);
    syscall(SYS_exit, 9);
}

static volatile int caught;
static void on_signal(int number) { caught = number; }

static void interrupted(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    int pipes[2];
    pipe(pipes);
    pid_t child = syscall(SYS_fork);
    if (child == 0) {
        sleep_ms(100);
        kill(getppid(), SIGUSR1);
        sleep_ms(100);
        write(pipes[1], "x", 1);
        _exit(0);
    }
    char byte;
    long got = syscall(SYS_read, pipes[0], &byte, 1);
    syscall(SYS_wait4, child, NULL, 0, NULL);
    syscall(SYS_exit, (int)got + caught);
}

int main(void)
{
    out("-- entry and exit\n");
    pid_t pid = start(calls, PTRACE_O_TRACESYSGOOD);
    show_info(pid);
    to_call(pid, SYS_getppid);
    show_siginfo(pid);
    show_info(pid);
    show_regs(pid);
    unsigned long message;
    MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
    out("message %lu\n", message);
    next(pid, PTRACE_SYSCALL);
    MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
    out("message %lu\n", message);
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("getppid: %s\n", (pid_t)regs.rax == getpid() ? "this process" : "?");
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_SYSCALL);

    out("-- without TRACESYSGOOD\n");
    pid = start(calls, 0);
    next(pid, PTRACE_SYSCALL);
    show_siginfo(pid);
    show_info(pid);
    next(pid, PTRACE_CONT);

    out("-- calls changed\n");
    pid = start(change, PTRACE_O_TRACESYSGOOD);
    to_call(pid, SYS_getppid);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1));
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), 4242));
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    to_call(pid, SYS_getpriority);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1));
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    to_call(pid, SYS_getpgid);
    next(pid, PTRACE_SYSCALL);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), 77));
    to_call(pid, SYS_dup);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), SYS_getpid));
    next(pid, PTRACE_SYSCALL);
    to_call(pid, SYS_alarm);
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rdi), 600));
    next(pid, PTRACE_SYSCALL);
    next(pid, PTRACE_CONT);

    out("-- emulated calls\n");
    pid = start(emulated, PTRACE_O_TRACESYSGOOD);
    for (;;) {
        MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
        if (regs.orig_rax == SYS_getppid || regs.orig_rax == SYS_exit)
            break;
        int status;
        MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
        waitpid(pid, &status, 0);
        MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    }
    next(pid, PTRACE_SYSCALL); /* out of getppid */
    int status;
    MUST(ptrace(PTRACE_SYSEMU, pid, 0, 0));
    waitpid(pid, &status, 0);
    show_info(pid);
    kill(pid, SIGKILL);
    stop(pid, 0);

    out("-- a restarted read\n");
    pid = start(interrupted, PTRACE_O_TRACESYSGOOD);
    to_call(pid, SYS_read);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_SYSCALL);
    show_siginfo(pid);
    show_regs(pid);
    MUST(ptrace(PTRACE_SYSCALL, pid, 0, SIGUSR1));
    stop(pid, 0); /* rt_sigreturn */
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_CONT);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
    stop(pid, 0);

    out("-- injected at a syscall stop\n");
    pid = start(calls, PTRACE_O_TRACESYSGOOD);
    to_call(pid, SYS_getppid);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    stop(pid, 0);
    show_siginfo(pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    stop(pid, 0);

    out("-- killed at a syscall stop\n");
    pid = start(calls, PTRACE_O_TRACESYSGOOD);
    to_call(pid, SYS_getppid);
    kill(pid, SIGKILL);
    stop(pid, 0);

    out("-- through an exec\n");
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        execl("/proc/self/exe-not", "x", NULL);
        execl("/proc/self/exe", "syscalls", "again", NULL);
    });
    waitpid(pid, NULL, 0);
    MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC));
    to_call(pid, SYS_execve);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    next(pid, PTRACE_SYSCALL);
    next(pid, PTRACE_SYSCALL);
    show_siginfo(pid);
    show_regs(pid);
    next(pid, PTRACE_SYSCALL);
    show_info(pid);
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
    out("orig_rax %ld rax %ld rbx %ld\n", (long)regs.orig_rax, (long)regs.rax, (long)regs.rbx);
    kill(pid, SIGKILL);
    stop(pid, 0);
    return 0;
}
