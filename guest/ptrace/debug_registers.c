/*
 * debug_registers -- hardware breakpoints and watchpoints: what they report, when, to whom, and which are refused
 */
#include "guest.h"
#include "ptrace.h"

#define DR(n) offsetof(struct user, u_debugreg[n])
enum { EXECUTE = 0, WRITE = 1, ACCESS = 3 };
static const int length_code[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
#define ENABLE(slot, kind, length) \
    (1UL << (2 * (slot)) | ((unsigned long)(kind) | (unsigned long)length_code[length] << 2) << (16 + 4 * (slot)))

static struct {
    volatile unsigned char bytes[64];
    volatile long other;
} area __attribute__((aligned(4096)));
extern char first_instruction[], second_instruction[], behind[];

__attribute__((noinline)) static void two_instructions(void)
{
    asm volatile("nop\n"
                 "first_instruction: movl $1, %%eax\n"
                 "second_instruction: movl $2, %%eax\n"
                 "behind: nop\n" ::: "rax");
}

static void write1(int at) { area.bytes[at] = 1; }
static void write4(int at) { *(volatile int *)(area.bytes + at) = 7; }
static void write8(int at) { *(volatile long *)(area.bytes + at) = 7; }
static int read4(int at) { return *(volatile int *)(area.bytes + at); }
static void add4(int at) { asm volatile("lock incl %0" : "+m"(*(volatile int *)(area.bytes + at))); }
static void move(int from, int to, long count)
{
    volatile unsigned char *source = area.bytes + from, *target = area.bytes + to;
    asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count)::"memory");
}
static void push_flags(void)
{
    unsigned long flags;
    asm volatile("pushfq\n popq %0" : "=r"(flags)::"memory");
    out("flags seen inside: TF %d, IOPL %d\n", (int)(flags >> 8 & 1), (int)(flags >> 12 & 3));
    asm volatile("syscall" : "=a"(flags) : "a"(SYS_getppid) : "rcx", "r11", "memory");
    asm volatile("pushfq\n popq %0" : "=r"(flags)::"memory");
    out("and behind a call: TF %d, IOPL %d\n", (int)(flags >> 8 & 1), (int)(flags >> 12 & 3));
}

static pid_t tracee;

static long poke(int number, unsigned long value) { return ptrace(PTRACE_POKEUSER, tracee, DR(number), value); }
static unsigned long peek(int number) { return ptrace(PTRACE_PEEKUSER, tracee, DR(number), 0); }

/* Let the tracee go on until it stops, and tell what of. */
static int show_rf = 1;

static int go(int request)
{
    int status;
    siginfo_t info;
    struct user_regs_struct regs;
    MUST(ptrace(request, tracee, 0, 0));
    MUST(waitpid(tracee, &status, __WALL));
    if (!WIFSTOPPED(status)) {
        out("  %s\n", status_name(status));
        return status;
    }
    MUST(ptrace(PTRACE_GETREGS, tracee, 0, &regs));
    if (ptrace(PTRACE_GETSIGINFO, tracee, 0, &info) == -1)
        memset(&info, 0, sizeof info);
    if (WSTOPSIG(status) == SIGTRAP && status >> 16 == 0)
        out("  trap code %d, si_addr is rip %d, DR6 %#lx, TF %d RF %d\n", info.si_code, info.si_addr == (void *)regs.rip,
            peek(6), (int)(regs.eflags >> 8 & 1), show_rf && regs.eflags >> 16 & 1);
    else
        out("  %s\n", stop_name(status));
    return status;
}

#define START(body)                           \
    ({                                        \
        fflush(stdout);                       \
        tracee = fork();                      \
        if (!tracee) {                        \
            ptrace(PTRACE_TRACEME, 0, 0, 0);  \
            raise(SIGSTOP);                   \
            body;                             \
            _exit(0);                         \
        }                                     \
        waitpid(tracee, NULL, __WALL);        \
    })

static void finish(void)
{
    int status;
    kill(tracee, SIGKILL);
    waitpid(tracee, &status, __WALL);
}

static void refusals(void)
{
    out("-- what is refused\n");
    START({});
    for (int n = 0; n < 8; n++)
        out("DR%d %#lx\n", n, peek(n));
    unsigned long at = (unsigned long)area.bytes;
    TRY(poke(4, 1));
    TRY(poke(5, 1));
    TRY(poke(4, 0));
    TRY(poke(0, 1UL << 63));
    TRY(poke(0, 0x800000000000));
    TRY(poke(0, 0x7fffffffeffcUL));
    TRY(poke(0, 0x7ffffffff000UL));
    TRY(poke(0, at));
    out("DR0 is it: %d\n", peek(0) == at);
    TRY(poke(7, ENABLE(0, WRITE, 8)));
    TRY(poke(0, at + 1));
    TRY(poke(0, at + 4));
    TRY(poke(0, at + 8));
    out("DR7 %#lx\n", peek(7));
    TRY(poke(7, ENABLE(0, 2, 1)));
    TRY(poke(7, ENABLE(1, 2, 1)));
    TRY(poke(7, ENABLE(0, EXECUTE, 4)));
    TRY(poke(7, ENABLE(0, EXECUTE, 1)));
    out("DR7 %#lx\n", peek(7));
    TRY(poke(1, at + 1));
    TRY(poke(7, ENABLE(0, WRITE, 4) | ENABLE(1, WRITE, 4)));
    out("DR7 %#lx\n", peek(7));
    TRY(poke(7, ENABLE(0, WRITE, 4) | ENABLE(1, WRITE, 1)));
    TRY(poke(7, ENABLE(0, WRITE, 4) << 1 | 0x300));
    out("DR7 %#lx\n", peek(7));
    TRY(poke(7, ENABLE(2, ACCESS, 1)));
    out("DR2 %#lx\n", peek(2));
    TRY(poke(7, ENABLE(3, ACCESS, 1) | 0xffffffff00000000));
    out("DR7 %#lx\n", peek(7));
    TRY(poke(7, 0));
    out("DR0 %d DR7 %#lx\n", peek(0) == at + 8, peek(7));
    TRY(poke(6, 0));
    out("DR6 %#lx\n", peek(6));
    TRY(poke(6, 0xffffffffffffffff));
    out("DR6 %#lx\n", peek(6));
    TRY(poke(6, 0x4001));
    out("DR6 %#lx\n", peek(6));
    TRY(poke(0, 0));
    finish();
}

/* Run body() with one watchpoint of each length at area+at. */
static void try_lengths(const char *name, int kind, void (*body)(int), int at, int delta)
{
    for (int length = 1; length <= 8; length *= 2) {
        out("%s of length %d, access at %+d\n", name, length, delta);
        START({ body(at + delta); body(at + delta); });
        MUST(poke(0, (unsigned long)area.bytes + at));
        MUST(poke(7, ENABLE(0, kind, length)));
        for (int i = 0; i < 3 && WIFSTOPPED(go(PTRACE_CONT)); i++)
            ;
    }
}

static void read_it(int at) { area.other += read4(at); }

static void lengths(void)
{
    out("-- lengths\n");
    for (int delta = -4; delta <= 8; delta += 4)
        try_lengths("write", WRITE, write4, 16, delta);
    try_lengths("write of one byte", WRITE, write1, 16, 3);
    try_lengths("write of eight bytes", WRITE, write8, 16, -7);
    try_lengths("a write watchpoint, read", WRITE, read_it, 16, 0);
    try_lengths("an access watchpoint, read", ACCESS, read_it, 16, 0);
    try_lengths("an access watchpoint, write", ACCESS, write4, 16, 4);
    try_lengths("a write watchpoint, add", WRITE, add4, 16, 0);
}

static void several(void)
{
    out("-- several at once\n");
    START({ write8(0); write4(4); write4(16); area.other += read4(24); two_instructions(); write8(16); });
    unsigned long at = (unsigned long)area.bytes;
    MUST(poke(0, at + 4));
    MUST(poke(1, at));
    MUST(poke(2, (unsigned long)second_instruction));
    MUST(poke(3, at + 24));
    MUST(poke(7, ENABLE(0, WRITE, 4) | ENABLE(1, WRITE, 1) | ENABLE(2, EXECUTE, 1) | ENABLE(3, ACCESS, 4)));
    while (WIFSTOPPED(go(PTRACE_CONT)))
        ;
    out("-- a string instruction\n");
    show_rf = 0; /* set behind an iteration, but not by every processor */
    START(move(0, 32, 8));
    MUST(poke(0, at + 34));
    MUST(poke(7, ENABLE(0, WRITE, 2)));
    while (WIFSTOPPED(go(PTRACE_CONT)))
        ;
    show_rf = 1;
}

static void execution(void)
{
    out("-- an instruction\n");
    START({ two_instructions(); two_instructions(); });
    MUST(poke(3, (unsigned long)first_instruction));
    MUST(poke(7, ENABLE(3, EXECUTE, 1)));
    go(PTRACE_CONT);
    out("  at the instruction: %d\n", ptrace(PTRACE_PEEKUSER, tracee, offsetof(struct user, regs.rip), 0) == (long)first_instruction);
    go(PTRACE_SINGLESTEP);
    out("  behind it: %d\n", ptrace(PTRACE_PEEKUSER, tracee, offsetof(struct user, regs.rip), 0) == (long)second_instruction);
    go(PTRACE_CONT);
    go(PTRACE_CONT);
    out("-- stepping onto one\n");
    START({ two_instructions(); });
    MUST(poke(0, (unsigned long)first_instruction));
    MUST(poke(1, (unsigned long)second_instruction));
    MUST(poke(7, ENABLE(0, EXECUTE, 1) | ENABLE(1, EXECUTE, 1)));
    go(PTRACE_CONT);
    go(PTRACE_SINGLESTEP);
    go(PTRACE_SINGLESTEP);
    go(PTRACE_CONT);
    out("-- without the resume flag it is hit again\n");
    START({ two_instructions(); });
    MUST(poke(0, (unsigned long)first_instruction));
    MUST(poke(7, ENABLE(0, EXECUTE, 1)));
    go(PTRACE_CONT);
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, tracee, 0, &regs));
    regs.eflags &= ~0x10000UL;
    MUST(ptrace(PTRACE_SETREGS, tracee, 0, &regs));
    go(PTRACE_CONT);
    go(PTRACE_CONT);
}

static void stepping(void)
{
    out("-- stepping over a watched write\n");
    START({ asm volatile("movb $1, %0\n nop\n nop" : "=m"(area.bytes[0])); write1(1); });
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    MUST(poke(6, 0));
    int status;
    for (int i = 0; i < 10000; i++) {
        MUST(ptrace(PTRACE_SINGLESTEP, tracee, 0, 0));
        MUST(waitpid(tracee, &status, __WALL));
        if (!WIFSTOPPED(status) || peek(6) & 1)
            break;
    }
    siginfo_t info;
    MUST(ptrace(PTRACE_GETSIGINFO, tracee, 0, &info));
    out("  code %d DR6 %#lx\n", info.si_code, peek(6));
    go(PTRACE_SINGLESTEP);
    go(PTRACE_CONT);
}

static void kernel_accesses(void)
{
    int ends[2];
    MUST(pipe(ends));
    out("-- the kernel's own accesses\n");
    START({
        TRY(write(ends[1], "0123456789abcdef", 16));
        TRY(read(ends[0], (void *)area.bytes, 8));
        TRY(write(ends[1], (void *)area.bytes, 8));
        TRY(getppid() > 0);
        raise(SIGUSR1);
        write1(0);
    });
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(1, (unsigned long)area.bytes + 4));
    MUST(poke(7, ENABLE(0, WRITE, 4) | ENABLE(1, ACCESS, 4)));
    MUST(poke(6, 0));
    go(PTRACE_CONT);
    out("DR6 %#lx\n", peek(6));
    MUST(poke(6, 0));
    go(PTRACE_CONT);
    go(PTRACE_CONT);
    close(ends[0]);
    close(ends[1]);
}

static void *thread_body(void *unused)
{
    write1(0);
    return unused;
}

static void inheritance(const char *self)
{
    out("-- fork\n");
    START({
        if (fork() == 0) {
            write1(0);
            _exit(0);
        }
        wait(NULL);
        write1(0);
    });
    MUST(ptrace(PTRACE_SETOPTIONS, tracee, 0, PTRACE_O_TRACEFORK));
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    go(PTRACE_CONT);
    unsigned long child;
    MUST(ptrace(PTRACE_GETEVENTMSG, tracee, 0, &child));
    pid_t parent = tracee;
    tracee = child;
    MUST(waitpid(tracee, NULL, __WALL));
    out("DR0 %#lx DR6 %#lx DR7 %#lx\n", peek(0), peek(6), peek(7));
    go(PTRACE_CONT);
    tracee = parent;
    int status = go(PTRACE_CONT);
    while (WIFSTOPPED(status))
        status = go(PTRACE_CONT);

    out("-- thread\n");
    START({
        pthread_t thread;
        pthread_create(&thread, NULL, thread_body, NULL);
        pthread_join(thread, NULL);
        write1(0);
    });
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    while (WIFSTOPPED(go(PTRACE_CONT)))
        ;

    out("-- exec\n");
    START({
        write1(0);
        execl(self, self, "child", NULL);
    });
    MUST(ptrace(PTRACE_SETOPTIONS, tracee, 0, PTRACE_O_TRACEEXEC));
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(1, (unsigned long)area.bytes + 8));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    go(PTRACE_CONT);
    go(PTRACE_CONT);
    out("DR0 %#lx DR6 %#lx DR7 %#lx\n", peek(0), peek(6), peek(7));
    go(PTRACE_CONT);

    out("-- detach\n");
    int ends[2];
    char byte;
    MUST(pipe(ends));
    START({
        read(ends[0], &byte, 1);
        write1(0);
        _exit(7);
    });
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    MUST(ptrace(PTRACE_DETACH, tracee, 0, 0));
    MUST(ptrace(PTRACE_SEIZE, tracee, 0, 0));
    MUST(ptrace(PTRACE_INTERRUPT, tracee, 0, 0));
    MUST(waitpid(tracee, &status, __WALL));
    out("DR0 %#lx DR6 %#lx DR7 %#lx\n", peek(0), peek(6), peek(7));
    MUST(ptrace(PTRACE_DETACH, tracee, 0, 0));
    MUST(write(ends[1], "x", 1));
    MUST(waitpid(tracee, &status, __WALL));
    out("  %s\n", status_name(status));
    close(ends[0]);
    close(ends[1]);
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    out("  handler: %s code %d, at the instruction %d, RF saved %d\n", signal_name(number), info->si_code,
        info->si_addr == first_instruction, (int)(user->uc_mcontext.gregs[REG_EFL] >> 16 & 1));
}

static void handlers(void)
{
    out("-- delivered to a handler\n");
    START({
        handle_info(SIGTRAP, on_trap, 0);
        two_instructions();
    });
    MUST(poke(0, (unsigned long)first_instruction));
    MUST(poke(7, ENABLE(0, EXECUTE, 1)));
    go(PTRACE_CONT);
    MUST(ptrace(PTRACE_CONT, tracee, 0, SIGTRAP));
    int status;
    MUST(waitpid(tracee, &status, __WALL));
    out("  %s\n", stop_name(status));
}

/* A fault saves the resume flag, so that the instruction is executed in spite of a breakpoint on it; a trap does not. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    out("  %s: RF saved %d\n", signal_name(number), (int)(user->uc_mcontext.gregs[REG_EFL] >> 16 & 1));
    _exit(0);
}

static void faults(void)
{
    out("-- the resume flag of exceptions\n");
    for (int kind = 0; kind < 6; kind++) {
        pid_t pid = fork();
        if (pid == 0) {
            int numbers[] = {SIGSEGV, SIGILL, SIGTRAP, SIGFPE, SIGBUS};
            for (int i = 0; i < 5; i++)
                handle_info(numbers[i], on_fault, 0);
            switch (kind) {
            case 0:
                *(volatile int *)8 = 1;
                break;
            case 1:
                asm volatile("ud2");
                break;
            case 2:
                asm volatile("int3");
                break;
            case 3:
                asm volatile("xorl %%ecx, %%ecx\n divl %%ecx" ::: "rax", "rcx", "rdx");
                break;
            case 4:
                asm volatile("hlt");
                break;
            case 5:
                asm volatile(".byte 0xf1");
                break;
            }
            _exit(1);
        }
        MUST(waitpid(pid, NULL, 0));
    }
}

static void flags(void)
{
    out("-- flags of a watched program are its own\n");
    START(push_flags());
    MUST(poke(0, (unsigned long)area.bytes));
    MUST(poke(7, ENABLE(0, WRITE, 1)));
    go(PTRACE_CONT);
}

int main(int count, char **words)
{
    if (count > 1) {
        write1(0);
        return 5;
    }
    refusals();
    lengths();
    several();
    execution();
    stepping();
    kernel_accesses();
    inheritance("/proc/self/exe");
    handlers();
    faults();
    flags();
    return 0;
}
