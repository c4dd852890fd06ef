/*
 * seccomp_actions -- what each answer of a filter does to a call, which of several answers counts, and what a filter sees
 * guest: needs=proc
 */
#include "guest.h"
#include "seccomp.h"
#include <ucontext.h>

static void answers(void)
{
    static const struct {
        unsigned action;
        const char *name;
    } all[] = {
        {SECCOMP_RET_KILL_PROCESS, "KILL_PROCESS"}, {SECCOMP_RET_KILL_THREAD, "KILL_THREAD"}, {SECCOMP_RET_TRAP, "TRAP"},
        {SECCOMP_RET_ERRNO, "ERRNO 0"},             {SECCOMP_RET_ERRNO | 1, "ERRNO 1"},
        {SECCOMP_RET_ERRNO | 4095, "ERRNO 4095"},   {SECCOMP_RET_ERRNO | 4096, "ERRNO 4096"},
        {SECCOMP_RET_ERRNO | 0xffff, "ERRNO 65535"}, {SECCOMP_RET_ERRNO | 512, "ERRNO ERESTARTSYS"},
        {SECCOMP_RET_USER_NOTIF, "USER_NOTIF"},     {SECCOMP_RET_TRACE | 3, "TRACE"}, {SECCOMP_RET_LOG, "LOG"},
        {SECCOMP_RET_ALLOW | 9, "ALLOW 9"},         {0x00040000, "unknown"}, {0xfffe0000, "unknown, negative"},
        {0x7fff1234, "ALLOW with data"},            {0x7ffe0000, "unknown, nearly ALLOW"},
    };
    for (unsigned i = 0; i < LENGTH(all); i++) {
        pid_t pid = FORK({
            no_new_privs();
            MUST(install(0, SYS_getsid, all[i].action));
            long result = call(SYS_getsid, 0, 0, 0);
            out("%s: getsid %s %ld\n", all[i].name, result > 0 ? "works" : "fails", result > 0 ? 0 : result);
        });
        out("%s: %s\n", all[i].name, status_name(reap(pid)));
    }
}

/* All pairs, in both orders: the lowest action counts; of equals the newest. */
static void precedence(void)
{
    static const unsigned actions[] = {
        SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO | 5,
        SECCOMP_RET_ERRNO | 6, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW,
    };
    for (unsigned i = 0; i < LENGTH(actions); i++)
        for (unsigned j = 0; j < LENGTH(actions); j++) {
            pid_t pid = FORK({
                no_new_privs();
                MUST(install(0, SYS_getsid, actions[i]));
                MUST(install(0, SYS_getsid, actions[j]));
                long result = call(SYS_getsid, 0, 0, 0);
                call(SYS_exit_group, result > 0 ? 100 : -result, 0, 0);
            });
            int status = reap(pid);
            out("%#x then %#x: %s\n", actions[i], actions[j], status_name(status));
        }
}

static void on_sigsys(int number, siginfo_t *info, void *context)
{
    ucontext_t *frame = context;
    greg_t *regs = frame->uc_mcontext.gregs;
    out("%s code %d errno %d syscall %d arch %#x, at the call: %d, rax %lld, rdi %lld\n", signal_name(number), info->si_code,
        info->si_errno, info->si_syscall, info->si_arch, info->si_call_addr == (void *)regs[REG_RIP], regs[REG_RAX],
        regs[REG_RDI]);
    regs[REG_RAX] = 4711;
}

static void trap(void)
{
    FATE("emulated", {
        no_new_privs();
        handle_info(SIGSYS, on_sigsys, 0);
        install(0, SYS_getsid, SECCOMP_RET_TRAP | 0xabcd);
        out("result %ld\n", call(SYS_getsid, 77, 0, 0));
        out("again %ld\n", call(SYS_getsid, 78, 0, 0));
    });
    FATE("blocked", {
        no_new_privs();
        handle_info(SIGSYS, on_sigsys, 0);
        mask(SIG_BLOCK, SIGSYS);
        install(0, SYS_getsid, SECCOMP_RET_TRAP);
        call(SYS_getsid, 0, 0, 0);
    });
    FATE("ignored", {
        no_new_privs();
        signal(SIGSYS, SIG_IGN);
        install(0, SYS_getsid, SECCOMP_RET_TRAP);
        call(SYS_getsid, 0, 0, 0);
    });
    FATE("killed although caught", {
        no_new_privs();
        handle_info(SIGSYS, on_sigsys, 0);
        install(0, SYS_getsid, SECCOMP_RET_KILL_PROCESS);
        call(SYS_getsid, 0, 0, 0);
    });
    FATE("trap in rt_sigreturn", {
        no_new_privs();
        handle_info(SIGSYS, on_sigsys, 0);
        install(0, SYS_getsid, SECCOMP_RET_TRAP);
        install(0, SYS_rt_sigreturn, SECCOMP_RET_ERRNO | 7);
        call(SYS_getsid, 0, 0, 0);
    });
}

static void cores(void)
{
    char directory[] = "seccomp-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    static const unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP};
    for (int i = 0; i < 3; i++) {
        pid_t pid = FORK({
            struct rlimit core = {1 << 20, 1 << 20};
            setrlimit(RLIMIT_CORE, &core);
            no_new_privs();
            install(0, SYS_getsid, actions[i]);
            call(SYS_getsid, 0, 0, 0);
        });
        siginfo_t info;
        waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
        out("%#x: code %d status %d, %s\n", actions[i], info.si_code, info.si_status, status_name(reap(pid)));
        unlink("core");
    }
    chdir("..");
    rmdir(directory);
}

/* Every word of seccomp_data. */
static void data(void)
{
    static const struct {
        unsigned offset;
        const char *name;
    } words[] = {
        {0, "nr"},        {4, "arch"},      {16, "arg 0 low"}, {20, "arg 0 high"}, {24, "arg 1 low"},
        {28, "arg 1 high"}, {32, "arg 2 low"}, {36, "arg 2 high"}, {60, "arg 5 high"},
    };
    for (unsigned i = 0; i < LENGTH(words); i++) {
        for (int shift = 0; shift < 32; shift += 8) {
            pid_t pid = FORK({
                struct sock_filter filter[] = {
                    LOAD(nr), EQUAL(SYS_getsid, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
                    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, words[i].offset), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, shift),
                    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
                    BPF_STMT(BPF_RET | BPF_A, 0),
                };
                no_new_privs();
                MUST(install_program(0, filter, LENGTH(filter)));
                register long r10 asm("r10") = 0;
                register long r8 asm("r8") = 0;
                register long r9 asm("r9") = 0x1122334455667788;
                long result;
                asm volatile("syscall"
                             : "=a"(result)
                             : "0"(SYS_getsid), "D"(0x0102030405060708), "S"(0x8090a0b0c0d0e0f0), "d"(-2L), "r"(r10), "r"(r8),
                               "r"(r9)
                             : "rcx", "r11", "memory");
                call(SYS_exit_group, -result, 0, 0);
            });
            out("%s >> %d: %#x\n", words[i].name, shift, WEXITSTATUS(reap(pid)));
        }
    }
    extern const char here[];
    FATE("the instruction pointer", {
        struct sock_filter filter[] = {
            LOAD(nr), EQUAL(SYS_getsid, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8), EQUAL((unsigned)(uintptr_t)here, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12), EQUAL((unsigned)((uintptr_t)here >> 32), 0, 1),
            ANSWER(SECCOMP_RET_ERRNO | 42), ANSWER(SECCOMP_RET_ERRNO | 43),
        };
        no_new_privs();
        MUST(install_program(0, filter, LENGTH(filter)));
        long result;
        asm volatile("syscall\n.globl here\nhere:" : "=a"(result) : "0"(SYS_getsid), "D"(0) : "rcx", "r11", "memory");
        call(SYS_exit_group, -result, 0, 0);
    });
}

/* Numbers that are no calls of this architecture. */
static void numbers(void)
{
    static const long all[] = {-1, -101, 0x7fffffff, 511, 512, 1000, 0x40000027, 0x40000000 + 110, 1L << 32 | SYS_getsid};
    for (unsigned i = 0; i < LENGTH(all); i++) {
        pid_t pid = FORK({
            struct sock_filter filter[] = {LOAD(nr), EQUAL((unsigned)all[i], 0, 1), ANSWER(SECCOMP_RET_ERRNO | 33),
                                           ANSWER(SECCOMP_RET_ALLOW)};
            no_new_privs();
            MUST(install_program(0, filter, LENGTH(filter)));
            out("%#lx: %ld", all[i], call(all[i], 0, 0, 0));
            out(", filter by sign: ");
            struct sock_filter sign[] = {LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80000000, 0, 1),
                                         ANSWER(SECCOMP_RET_ERRNO | 34), ANSWER(SECCOMP_RET_ALLOW)};
            MUST(install_program(0, sign, LENGTH(sign)));
            out("%ld\n", call(all[i], 0, 0, 0));
        });
        reap(pid);
    }
}

static long call32(int number)
{
    long result;
    asm volatile("int $0x80" : "=a"(result) : "0"(number), "b"(1), "c"(2), "d"(3), "S"(4), "D"(5) : "memory", "r8", "r9", "r10",
                 "r11");
    return result;
}

static void on_sigsys32(int number, siginfo_t *info, void *context)
{
    out("%s syscall %d arch %#x, rax %lld\n", signal_name(number), info->si_syscall, info->si_arch,
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX]);
}

/* The 32-bit gate has numbers and an architecture of its own. */
static void other_architecture(void)
{
    for (int argument = -1; argument < 5; argument++) {
        pid_t pid = FORK({
            struct sock_filter filter[] = {
                LOAD(arch), EQUAL(AUDIT_ARCH_I386, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
                argument < 0 ? (struct sock_filter)LOAD(nr) : (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16 + 8 * argument),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
                BPF_STMT(BPF_RET | BPF_A, 0),
            };
            no_new_privs();
            MUST(install_program(0, filter, LENGTH(filter)));
            out("int 0x80, %d: %d\n", argument, (int)call32(124));
        });
        reap(pid);
    }
    FATE("int 0x80 killed", {
        no_new_privs();
        struct sock_filter filter[] = {LOAD(arch), EQUAL(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS),
                                       ANSWER(SECCOMP_RET_ALLOW)};
        MUST(install_program(0, filter, LENGTH(filter)));
        call32(124);
    });
    FATE("int 0x80 trapped", {
        no_new_privs();
        handle_info(SIGSYS, on_sigsys32, 0);
        struct sock_filter filter[] = {LOAD(arch), EQUAL(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_TRAP),
                                       ANSWER(SECCOMP_RET_ALLOW)};
        MUST(install_program(0, filter, LENGTH(filter)));
        out("result %d\n", (int)call32(124));
    });
    FATE("int 0x80 in strict mode", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        call32(124);
    });
}

/* What the vDSO answers is no call; what it passes on is one. */
static void vdso(void)
{
    FATE("clock_gettime denied", {
        struct timespec now = {0};
        struct sock_filter filter[] = {LOAD(nr), EQUAL(SYS_clock_gettime, 2, 0), EQUAL(SYS_gettimeofday, 1, 0),
                                       ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_ERRNO | 99)};
        clock_gettime(CLOCK_MONOTONIC, &now);
        no_new_privs();
        MUST(install_program(0, filter, LENGTH(filter)));
        out("by number %ld\n", call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0));
        int result = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        out("CPU time %d\n", result ? errno : 0);
    });
}

int main(void)
{
    answers();
    precedence();
    trap();
    cores();
    data();
    numbers();
    other_architecture();
    vdso();
    return 0;
}
