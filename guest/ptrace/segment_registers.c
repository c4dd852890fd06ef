/*
 * segment_registers -- a tracer and the segments of its tracee: selectors, code of 32 bits, register sets, thread areas
 * guest: qemu=no
 */
#include "segments.h"
#include "ptrace.h"
#include <elf.h>

#ifndef NT_386_TLS
#define NT_386_TLS 0x200
#endif
#ifndef PTRACE_GET_THREAD_AREA
#define PTRACE_GET_THREAD_AREA 25
#define PTRACE_SET_THREAD_AREA 26
#endif

static struct user_regs_struct regs(pid_t pid)
{
    struct user_regs_struct r;
    MUST(ptrace(PTRACE_GETREGS, pid, 0, &r) == 0);
    return r;
}

static void show(pid_t pid, const char *what)
{
    struct user_regs_struct r = regs(pid);
    out("%s: cs %#llx ss %#llx ds %#llx es %#llx fs %#llx gs %#llx\n", what, (long long)r.cs, (long long)r.ss, (long long)r.ds,
        (long long)r.es, (long long)r.fs, (long long)r.gs);
}

static void show_set(pid_t pid, unsigned kind, const char *name)
{
    unsigned char content[1024];
    struct iovec at = {content, sizeof content};
    errno = 0;
    long result = ptrace(PTRACE_GETREGSET, pid, kind, &at);
    out("%s: %ld %s, %zu bytes\n", name, result, errno ? errno_name(errno) : "0", result ? 0 : at.iov_len);
}

static pid_t tracee(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP); /* raise() makes other calls in every library */
        body();
        _exit(0);
    }
    stop(pid, 0);
    return pid;
}

static void nothing(void)
{
    syscall(SYS_getpid);
    syscall(SYS_getpid);
}

static void code32(void)
{
    /* mov $0x11111111, %eax; nop; int3; mov %ds, %ecx; int3; mov $20, %eax; int $0x80; int3; mov $5, %eax; lret */
    PUT(0x100, "\xb8\x11\x11\x11\x11\x90\xcc\x8c\xd9\xcc\xb8\x14\0\0\0\xcd\x80\xcc\xb8\x05\0\0\0\xcb");
    out("32 bits: %#x\n", CALL_FAR(0x100, LDT(1), LDT(0)));
}

/* What a program may be given, and what becomes of it when it goes on. */
static void selectors(void)
{
    static const unsigned values[] = {0, 1, 3, USER_DATA, USER32, USER64, 0x10, 0x63, LDT(0), LDT(1), LDT(4), LDT(50), 0xffff};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        pid_t pid = tracee(nothing);
        struct user_regs_struct r = regs(pid), old = r;
        for (int which = 0; which < 6; which++) {
            r = old;
            __typeof__(r.cs) *at[] = {&r.cs, &r.ss, &r.ds, &r.es, &r.fs, &r.gs};
            *at[which] = values[i];
            errno = 0;
            long result = ptrace(PTRACE_SETREGS, pid, 0, &r);
            out("selector %#x in %d: %ld %s\n", values[i], which, result, errno ? errno_name(errno) : "0");
            if (result == 0)
                show(pid, "  now");
        }
        r = old;
        if (ptrace(PTRACE_SETREGS, pid, 0, &r))
            out("back: %s\n", errno_name(errno));
        r.ds = values[i], r.gs = values[i];
        ptrace(PTRACE_SETREGS, pid, 0, &r);
        ptrace(PTRACE_SYSCALL, pid, 0, 0);
        stop(pid, 0);
        show(pid, "  later");
        r = regs(pid);
        r.ss = values[i];
        if (ptrace(PTRACE_SETREGS, pid, 0, &r) == 0 && values[i] != USER_DATA) {
            ptrace(PTRACE_SYSCALL, pid, 0, 0);
            stop(pid, 0); /* the exit of the call */
            ptrace(PTRACE_CONT, pid, 0, 0);
            int status = stop(pid, 0);
            if (WIFSTOPPED(status)) {
                show_siginfo(pid);
                show(pid, "  at the fault");
            }
        }
        kill(pid, SIGKILL);
        ptrace(PTRACE_CONT, pid, 0, SIGKILL);
        stop(pid, 0);
    }
}

static void running(void)
{
    pid_t pid = tracee(code32);
    for (int i = 0; i < 3; i++) {
        ptrace(PTRACE_CONT, pid, 0, 0);
        stop(pid, 0);
        struct user_regs_struct r = regs(pid);
        show(pid, "at a breakpoint");
        out("ip %#llx eax %#x ecx %#x\n", (long long)r.rip, i == 2 ? 0 : (unsigned)r.rax, i == 1 ? (unsigned)r.rcx : 0);
        show_set(pid, NT_PRSTATUS, "general");
        show_set(pid, NT_PRFPREG, "floating point");
        show_set(pid, NT_PRXFPREG, "extended floating point");
        show_set(pid, NT_386_TLS, "thread areas");
        unsigned words[17];
        struct iovec at = {words, sizeof words};
        MUST(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &at) == 0);
        out("in 32 bits: eip %#x cs %#x ss %#x ds %#x es %#x eflags %d\n", words[12], words[13], words[16], words[7], words[8],
            (words[14] & 0x100) != 0);
        if (i == 0) {
            words[7] = USER_DATA;
            words[1] = 0x77;
            at.iov_len = 8 * 4;
            out("set: %ld\n", ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &at));
            show(pid, "after setting");
            unsigned char fp[108];
            struct iovec state = {fp, sizeof fp};
            MUST(ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &state) == 0);
            unsigned control, status, tags;
            memcpy(&control, fp, 4), memcpy(&status, fp + 4, 4), memcpy(&tags, fp + 8, 4);
            out("fsave: control %#x status %#x tags %#x\n", control, status, tags);
            control = 0xffff027f, status = 0xffff3000, tags = 0xffff3fff; /* TOP 6: register 7 is not empty */
            memcpy(fp, &control, 4), memcpy(fp + 4, &status, 4), memcpy(fp + 8, &tags, 4);
            memcpy(fp + 28, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
            out("set: %ld\n", ptrace(PTRACE_SETREGSET, pid, NT_PRFPREG, &state));
            struct user_fpregs_struct fx;
            MUST(ptrace(PTRACE_GETFPREGS, pid, 0, &fx) == 0);
            out("fxsave: control %#x status %#x tags %#x, st(0) %#x %#x\n", fx.cwd, fx.swd, fx.ftw, fx.st_space[1], fx.st_space[2]);
            MUST(ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &state) == 0);
            memcpy(&tags, fp + 8, 4);
            out("fsave: tags %#x\n", tags);
        }
    }
    for (int i = 0; i < 4; i++) {
        ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
        stop(pid, 0);
        struct user_regs_struct r = regs(pid);
        if (i < 1)
            out("step: cs %#llx ip %#llx\n", (long long)r.cs, (long long)r.rip);
        else
            out("step: cs %#llx\n", (long long)r.cs);
    }
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
}

/* A tracee that is put into other code, and back. */
static void moved(void)
{
    pid_t pid = tracee(nothing);
    struct user_regs_struct old = regs(pid), r = old;
    r.cs = LDT(1), r.rip = 0x103, r.ss = LDT(0), r.ds = LDT(0), r.rsp = 0x900, r.orig_rax = -1;
    PUT(0x100, "\xcc\xcc\xcc\xa1\x10\0\0\0\xcc");
    MUST(ptrace(PTRACE_POKEDATA, pid, low + 0x100, *(long *)(low + 0x100)) == 0);
    MUST(ptrace(PTRACE_POKEDATA, pid, low + 0x108, *(long *)(low + 0x108)) == 0);
    out("move: %ld\n", ptrace(PTRACE_SETREGS, pid, 0, &r));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    show(pid, "moved");
    r = regs(pid);
    out("ip %#llx eax %#llx\n", (long long)r.rip, (long long)r.rax);
    out("back: %ld\n", ptrace(PTRACE_SETREGS, pid, 0, &old));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
}

static void area_user(void)
{
    unsigned value;
    asm volatile("mov %1, %%gs\n\tmovl %%gs:16, %0" : "=r"(value) : "r"(13 << 3 | 3));
    out("through the area: %#x\n", value);
    raise(SIGSTOP);
    asm volatile("movl %%gs:12, %0" : "=r"(value));
    out("through the changed one: %#x\n", value);
}

static void areas(void)
{
    pid_t pid = tracee(area_user);
    struct descriptor d = {.base = (unsigned)(uintptr_t)low, .limit = 0xfff, .seg_32bit = 1, .useable = 1}, got;
    TRY(ptrace(PTRACE_SET_THREAD_AREA, pid, 13, &d));
    TRY(ptrace(PTRACE_SET_THREAD_AREA, pid, 15, &d));
    TRY(ptrace(PTRACE_SET_THREAD_AREA, pid, -1, &d));
    TRY(ptrace(PTRACE_GET_THREAD_AREA, pid, 13, &got));
    out("entry %u, the same: %d\n", got.entry, got.base == d.base && got.limit == d.limit);
    TRY(ptrace(PTRACE_GET_THREAD_AREA, pid, 11, &got));
    TRY(ptrace(PTRACE_GET_THREAD_AREA, pid, -1, &got));
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    d.base += 4;
    TRY(ptrace(PTRACE_SET_THREAD_AREA, pid, 13, &d));
    out("gs base moved with it: %d\n", regs(pid).gs_base == d.base);
    ptrace(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
}

int main(void)
{
    map_low();
    *(unsigned *)(low + 16) = 0x600df00d;
    unsigned base = (unsigned)(uintptr_t)low;
    set_ldt((struct descriptor){.entry = 0, .base = base, .limit = 0xfff, .seg_32bit = 1, .useable = 1});
    set_ldt((struct descriptor){.entry = 1, .base = base, .limit = 0xfff, .seg_32bit = 1, .contents = CODE});
    set_ldt((struct descriptor){.entry = 4, .base = base, .limit = 0xfff, .seg_32bit = 1, .seg_not_present = 1});
    selectors();
    running();
    moved();
    areas();
    return wrong;
}
