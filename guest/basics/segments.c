/*
 * segments -- descriptors of one's own: modify_ldt(2), set_thread_area(2), code of 32 and 16 bits, and what goes wrong
 * guest: qemu=no
 */
#include "segments.h"
#include <asm/prctl.h>
#include <ucontext.h>

static void tables(void)
{
    unsigned char content[256];
    struct descriptor d = {.entry = 3, .base = 0x12345678, .limit = 0xabcde, .seg_32bit = 1, .useable = 1, .lm = 1};
    memset(content, 0xee, sizeof content);
    out("no table: %#lx %#lx, %02x\n", modify_ldt(0, content, sizeof content), modify_ldt(0, (void *)1, 8), content[0]);
    out("default table: %#lx %#lx, %02x %02x\n", modify_ldt(2, content, 40), modify_ldt(2, content, 4000), content[127], content[128]);
    out("default table, bad: %#lx\n", modify_ldt(2, (void *)1, 8));
    out("functions: %#lx %#lx %#lx\n", modify_ldt(3, content, 16), modify_ldt(-1, content, 16), modify_ldt(0x100000001, &d, 16));
    out("sizes: %#lx %#lx %#lx\n", modify_ldt(1, &d, 15), modify_ldt(0x11, &d, 17), modify_ldt(0x11, NULL, 16));
    d.entry = 8192;
    out("entry 8192: %#lx\n", modify_ldt(0x11, &d, 16));
    d.entry = 3;
    for (int mode = 1; mode <= 0x11; mode += 0x10)
        for (unsigned contents = 0; contents < 4; contents++)
            for (unsigned bits = 0; bits < 8; bits++) {
                d.contents = contents, d.read_exec_only = bits & 1, d.seg_not_present = bits >> 1 & 1, d.limit_in_pages = bits >> 2;
                memset(content, 0, 40);
                unsigned long result = modify_ldt(mode, &d, 16), length = modify_ldt(0, content, 40);
                uint64_t stored;
                memcpy(&stored, content + 24, 8);
                out("mode %#x contents %u bits %u: %#lx, %#lx %016lx\n", mode, contents, bits, result, length, (unsigned long)stored);
            }
    struct descriptor empty = {.entry = 3, .read_exec_only = 1, .seg_not_present = 1};
    struct descriptor zero = {.entry = 3};
    for (int mode = 1; mode <= 0x11; mode += 0x10) {
        uint64_t stored[4] = {0};
        out("empty, mode %#x: %#lx", mode, modify_ldt(mode, &empty, 16));
        modify_ldt(0, stored, 32);
        out(" %#lx; zero: %#lx", (unsigned long)stored[3], modify_ldt(mode, &zero, 16));
        modify_ldt(0, stored, 32);
        out(" %#lx\n", (unsigned long)stored[3]);
    }
    d = (struct descriptor){.entry = 8191, .limit = 1};
    set_ldt(d);
    out("whole table: %#lx\n", modify_ldt(0, mmap(NULL, 70000, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 70000));
}

/* -- loads and their faults ------------------------------------------------------------------------------------------ */
static volatile int faulted;
static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    faulted = 1;
    out("  %s code %d trap %lld error %#llx address %s\n", signal_name(number), info->si_code, (long long)regs[REG_TRAPNO],
        (long long)regs[REG_ERR], info->si_addr ? "set" : "0");
    regs[REG_RIP] = regs[REG_R13];
}

#define LOAD(segment, value)                                                                                              \
    do {                                                                                                                  \
        unsigned short got, wanted = value;                                                                               \
        asm volatile("leaq 2f(%%rip), %%r13\n\tmov %1, %%" segment "\n2:\n\tmov %%" segment ", %0\n\t"                     \
                     "push %%rcx\n\txor %%ecx, %%ecx\n\tmov %%ecx, %%" segment "\n\tpop %%rcx"                             \
                     : "=r"(got) : "r"(wanted) : "r13");                                                                  \
        out("%s = %#x: %#x\n", segment, wanted, got);                                                                     \
    } while (0)

static void loads(void)
{
    static const unsigned short selectors[] = {0, 1, 3, USER32, USER_DATA, USER64, 0x28, 0x10, 0x18, 0x1b, 0x63, 0x6b, 0x73, 0x83,
        0xfffb, LDT(0), LDT(1), LDT(2), LDT(3), LDT(4), LDT(5), LDT(6), LDT(7), LDT(8000), LDT(0) & ~3};
    for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++) {
        unsigned selector = selectors[i], rights = 0, limit = 0;
        unsigned char lar, lsl, verr, verw;
        asm volatile("lar %4, %0\n\tsetz %1\n\tlsl %4, %2\n\tsetz %3" : "+r"(rights), "=r"(lar), "+r"(limit), "=r"(lsl) : "r"(selector));
        asm volatile("verr %w2\n\tsetz %0\n\tverw %w2\n\tsetz %1" : "=r"(verr), "=r"(verw) : "r"(selector) : "cc");
        out("%#x: lar %d %#x lsl %d %#x verr %d verw %d\n", selector, lar, lar ? rights & 0xf0ff00 : 0, lsl, lsl ? limit : 0, verr, verw);
        LOAD("ds", selector);
        LOAD("es", selector);
        LOAD("gs", selector);
    }
    unsigned value = 0;
    *(unsigned *)(low + 16) = 0x600df00d;
    asm volatile("mov %1, %%gs\n\tmovl %%gs:16, %0" : "=r"(value) : "r"(LDT(0)));
    unsigned long base = 1;
    syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
    out("through gs: %#x, base %s\n", value, base == (unsigned long)low ? "of the descriptor" : "other");
    syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)low + 8);
    unsigned short selector;
    asm volatile("mov %%gs, %0\n\tmovl %%gs:8, %1" : "=r"(selector), "=r"(value));
    out("ARCH_SET_GS: %#x %#x\n", selector, value);
    asm volatile("mov %0, %%gs" : : "r"(0));
}

/* -- other code ------------------------------------------------------------------------------------------------------- */
static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    unsigned cs = regs[REG_CSGSFS] & 0xffff, ss = regs[REG_CSGSFS] >> 48 & 0xffff;
    unsigned short ds, now_ss, now_cs;
    asm volatile("mov %%ds, %0\n\tmov %%ss, %1\n\tmov %%cs, %2" : "=r"(ds), "=r"(now_ss), "=r"(now_cs));
    long base = cs & 4 ? 0 : (long)low;
    out("  %s code %d trap %lld error %#llx cs %#x ss %#x ip %#lx flags %#lx; in the handler ds %#x ss %#x cs %#x\n", signal_name(number),
        info->si_code, (long long)regs[REG_TRAPNO], (long long)regs[REG_ERR], cs, ss, (long)regs[REG_RIP] - base,
        uc->uc_flags & 6, ds, now_ss, now_cs);
    if (number != SIGTRAP)
        regs[REG_RIP] += 2; /* ud2, or a division: over it */
}

static void other_code(void)
{
    /* mov $20, %eax; int $0x80; mov %eax, %ebx; xor %ebx, %eax; mov $0x1234, %eax; lret */
    PUT(0x100, "\xb8\x14\0\0\0\xcd\x80\x89\xc3\x31\xd8\x05\x34\x12\0\0\xcb");
    out("32 bits: %#x\n", CALL_FAR((uint32_t)(uintptr_t)low + 0x100, USER32, USER_DATA));
    out("32 bits, LDT: %#x\n", CALL_FAR(0x100, LDT(1), USER_DATA));
    /* The same in 16 bits. */
    PUT(0x140, "\x66\xb8\x14\0\0\0\xcd\x80\x66\x89\xc3\x66\x31\xd8\x66\x05\x34\x12\0\0\x66\xcb");
    out("16 bits, LDT: %#x\n", CALL_FAR(0x140, LDT(3), USER_DATA));
    /* mov 0x10, %eax through DS of the LDT; lret */
    PUT(0x180, "\xa1\x10\0\0\0\xcb");
    out("data of the LDT: %#x\n", CALL_FAR(0x180, LDT(1), LDT(0)));
    /* mov %ss, %eax; mov %cs, %ecx; shl $16, %ecx; or %ecx, %eax; lret */
    PUT(0x1a0, "\x8c\xd0\x8c\xc9\xc1\xe1\x10\x09\xc8\xcb");
    out("cs and ss: %#x\n", CALL_FAR(0x1a0, LDT(1), USER_DATA));
    /* rdtsc; mov $9, %eax; lret */
    PUT(0x1c0, "\x0f\x31\xb8\x09\0\0\0\xcb");
    out("rdtsc, LDT: %#x\n", CALL_FAR(0x1c0, LDT(1), USER_DATA));
    handle_info(SIGTRAP, on_trap, SA_ONSTACK);
    handle_info(SIGILL, on_trap, SA_ONSTACK);
    handle_info(SIGFPE, on_trap, SA_ONSTACK);
    /* int3; ud2; xor %ecx, %ecx; div %ecx; mov $7, %eax; lret */
    PUT(0x200, "\xcc\x0f\x0b\x31\xc9\xf7\xf1\xb8\x07\0\0\0\xcb");
    out("traps, 32 bits: %#x\n", CALL_FAR((uint32_t)(uintptr_t)low + 0x200, USER32, USER_DATA));
    out("traps, LDT: %#x\n", CALL_FAR(0x200, LDT(1), LDT(0)));
    /* int3; ud2; mov $7, %eax; lret, in 16 bits */
    PUT(0x240, "\xcc\x0f\x0b\x66\xb8\x07\0\0\0\x66\xcb");
    out("traps, 16 bits: %#x\n", CALL_FAR(0x240, LDT(3), LDT(0)));
}

/* -- the way back from a handler ------------------------------------------------------------------------------------- */
static unsigned want_cs, want_ss;
static long want_flags;
static int visits;
static void on_usr1(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    static greg_t saved[3];
    unsigned cs = regs[REG_CSGSFS] & 0xffff, ss = regs[REG_CSGSFS] >> 48 & 0xffff;
    (void)info;
    if (number == SIGUSR1) {
        saved[0] = regs[REG_CSGSFS], saved[1] = regs[REG_RIP], saved[2] = regs[REG_RSP];
        regs[REG_CSGSFS] = want_cs | (greg_t)want_ss << 48;
        /* int3 in the segment, whose base is the page */
        regs[REG_RIP] = want_cs & 4 ? 0x300 : (greg_t)(uintptr_t)low + 0x300;
        regs[REG_RSP] = want_ss & 4 ? 0x800 : (greg_t)FAR_STACK;
        uc->uc_flags = (uc->uc_flags & ~4ul) | want_flags;
        return;
    }
    visits++;
    out("  %s code %d trap %lld error %#llx cs %#x ss %#x flags %#lx\n", signal_name(number), info->si_code,
        (long long)regs[REG_TRAPNO], (long long)regs[REG_ERR], cs, ss, uc->uc_flags & 6);
    regs[REG_CSGSFS] = saved[0], regs[REG_RIP] = saved[1], regs[REG_RSP] = saved[2];
    uc->uc_flags |= 4;
}

static void way_back(void)
{
    static const unsigned code[] = {USER64, USER32, USER_DATA, 0, 3, 0x30, 0x10, 0x63, LDT(0), LDT(1), LDT(2), LDT(3), LDT(5), LDT(7), LDT(100), 0xffff};
    static const unsigned stack[] = {USER_DATA, USER32, 0, 3, 0x28, 0x18, LDT(0), LDT(1), LDT(4), LDT(6), LDT(100), 0xfffb};
    handle_info(SIGUSR1, on_usr1, SA_ONSTACK);
    handle_info(SIGSEGV, on_usr1, SA_ONSTACK);
    handle_info(SIGBUS, on_usr1, SA_ONSTACK);
    handle_info(SIGTRAP, on_usr1, SA_ONSTACK);
    PUT(0x300, "\xcc");
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        for (unsigned j = 0; j < sizeof stack / sizeof *stack; j++)
            for (want_flags = 0; want_flags <= 4; want_flags += 4) {
                if (code[i] == LDT(5) && j) /* processors differ in what they look at first, this limit or SS */
                    continue;
                want_cs = code[i], want_ss = stack[j];
                out("return to cs %#x ss %#x flags %ld\n", want_cs, want_ss, want_flags);
                raise(SIGUSR1);
            }
    out("visits: %d\n", visits);
}

/* -- who shares what -------------------------------------------------------------------------------------------------- */
static volatile int stage;
static void *holder(void *unused)
{
    unsigned short ds, es, gs;
    (void)unused;
    asm volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs" : : "r"(LDT(0)));
    stage = 1;
    while (stage != 2)
        sched_yield();
    asm volatile("mov %%ds, %0\n\tmov %%es, %1\n\tmov %%gs, %2" : "=r"(ds), "=r"(es), "=r"(gs));
    asm volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs" : : "r"(0));
    out("a thread after its descriptor was taken away: ds %#x es %#x\n", ds, es);
    return NULL;
}

static void sharing(void)
{
    struct descriptor data = {.entry = 0, .base = (unsigned)(uintptr_t)low, .limit = 0xfff, .seg_32bit = 1, .useable = 1};
    struct descriptor none = {.entry = 0, .read_exec_only = 1, .seg_not_present = 1};
    unsigned short ds;
    pthread_t thread;
    pid_t pid = FORK({
        unsigned value;
        asm volatile("mov %1, %%gs\n\tmovl %%gs:16, %0\n\txor %%ecx, %%ecx\n\tmov %%ecx, %%gs" : "=r"(value) : "r"(LDT(0)) : "rcx");
        out("a child reads %#x\n", value);
        set_ldt(none);
    });
    reap(pid);
    asm volatile("mov %1, %%ds\n\tmov %%ds, %0\n\txor %%ecx, %%ecx\n\tmov %%ecx, %%ds" : "=r"(ds) : "r"(LDT(0)) : "rcx");
    out("and its parent still has it: %#x\n", ds);
    pthread_create(&thread, NULL, holder, NULL);
    while (stage != 1)
        sched_yield();
    asm volatile("mov %0, %%ds" : : "r"(LDT(0)));
    set_ldt(none);
    asm volatile("mov %%ds, %0" : "=r"(ds));
    out("who took it away: ds %#x\n", ds);
    stage = 2;
    pthread_join(thread, NULL);
    set_ldt(data);
}

/* -- entries of the GDT ----------------------------------------------------------------------------------------------- */
enum { IA32_clone = 120, IA32_modify_ldt = 123, IA32_set_thread_area = 243, IA32_get_thread_area = 244, IA32_exit = 1 };
static void thread_area(void)
{
    struct descriptor *d = (void *)(low + 0x800);
    struct descriptor good = {.entry = -1, .base = (unsigned)(uintptr_t)low, .limit = 0xfff, .seg_32bit = 1, .useable = 1};
    for (int i = 0; i < 5; i++) {
        *d = good;
        out("set_thread_area: %ld", int80(IA32_set_thread_area, (long)d, 0, 0, 0, 0));
        out(", entry %d\n", (int)d->entry);
    }
    static const struct descriptor other[] = {
        {.entry = 12, .base = 5, .limit = 7}, {.entry = 12, .base = 5, .contents = CODE, .seg_32bit = 1},
        {.entry = 12, .base = 5, .seg_not_present = 1, .seg_32bit = 1}, {.entry = 11, .seg_32bit = 1}, {.entry = 15, .seg_32bit = 1},
        {.entry = 13, .base = 6, .limit = 9, .contents = EXPAND_DOWN, .read_exec_only = 1, .limit_in_pages = 1, .seg_32bit = 1},
        {.entry = 14}, {.entry = -2, .seg_32bit = 1}};
    for (unsigned i = 0; i < sizeof other / sizeof *other; i++) {
        *d = other[i];
        out("set_thread_area %u: %ld\n", i, int80(IA32_set_thread_area, (long)d, 0, 0, 0, 0));
    }
    for (unsigned entry = 11; entry < 16; entry++) {
        d->entry = entry;
        long result = int80(IA32_get_thread_area, (long)d, 0, 0, 0, 0);
        unsigned *words = (unsigned *)d;
        out("get_thread_area %u: %ld, %s %#x %#x\n", entry, result, d->base == good.base ? "low" : d->base ? "other" : "0", words[2], words[3] & 0xff);
    }
    out("addresses: %ld %ld\n", int80(IA32_set_thread_area, 8, 0, 0, 0, 0), int80(IA32_get_thread_area, 8, 0, 0, 0, 0));
    unsigned value;
    asm volatile("mov %1, %%gs\n\tmovl %%gs:16, %0" : "=r"(value) : "r"(12 << 3 | 3));
    out("through gs: %#x\n", value);
    *d = (struct descriptor){.entry = 12, .base = (unsigned)(uintptr_t)low + 4, .limit = 0xfff, .seg_32bit = 1};
    int80(IA32_set_thread_area, (long)d, 0, 0, 0, 0);
    asm volatile("movl %%gs:12, %0" : "=r"(value));
    out("changed under gs: %#x\n", value);
    *d = (struct descriptor){.entry = 12, .read_exec_only = 1, .seg_not_present = 1};
    unsigned short gs, es;
    asm volatile("mov %0, %%es" : : "r"(12 << 3 | 3));
    int80(IA32_set_thread_area, (long)d, 0, 0, 0, 0);
    asm volatile("mov %%gs, %0\n\tmov %%es, %1" : "=r"(gs), "=r"(es));
    out("taken away under gs and es: %#x %#x\n", gs, es);
    /* A child with a descriptor of its own. */
    *d = (struct descriptor){.entry = 12, .base = (unsigned)(uintptr_t)low + 8, .limit = 0xfff, .seg_32bit = 1};
    pid_t pid = int80(IA32_clone, 0x80000 | SIGCHLD, 0, 0, (long)d, 0);
    if (pid == 0) {
        asm volatile("mov %1, %%gs\n\tmovl %%gs:8, %0" : "=r"(value) : "r"(12 << 3 | 3));
        out("in a child: %#x\n", value);
        _exit(0);
    }
    reap(pid);
    d->entry = 12;
    out("the parent's: %ld, %d\n", int80(IA32_get_thread_area, (long)d, 0, 0, 0, 0), d->base != 0);
    d->entry = -1;
    out("a child without an entry: %ld\n", int80(IA32_clone, 0x80000 | SIGCHLD, 0, 0, (long)d, 0));
    out("modify_ldt of i386: %ld\n", int80(IA32_modify_ldt, 0, (long)low + 0x900, 16, 0, 0));
}

int main(void)
{
    static char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL); /* stack pointers of other segments are no addresses */
    map_low();
    *(unsigned *)(low + 16) = 0x600df00d;
    pid_t pid = FORK({ tables(); });
    reap(pid);
    unsigned base = (unsigned)(uintptr_t)low;
    set_ldt((struct descriptor){.entry = 0, .base = base, .limit = 0xfff, .seg_32bit = 1, .useable = 1});
    set_ldt((struct descriptor){.entry = 1, .base = base, .limit = 0xfff, .seg_32bit = 1, .contents = CODE});
    set_ldt((struct descriptor){.entry = 2, .base = base, .limit = 0xfff, .seg_32bit = 1, .contents = CODE, .seg_not_present = 1});
    set_ldt((struct descriptor){.entry = 3, .base = base, .limit = 0xfff, .contents = CODE});
    set_ldt((struct descriptor){.entry = 4, .base = base, .limit = 0xfff, .seg_32bit = 1, .seg_not_present = 1});
    set_ldt((struct descriptor){.entry = 5, .base = base, .limit = 0x2ff, .seg_32bit = 1, .contents = CODE, .read_exec_only = 1});
    set_ldt((struct descriptor){.entry = 6, .base = base, .limit = 0xfff, .seg_32bit = 1, .read_exec_only = 1});
    set_ldt((struct descriptor){.entry = 7, .base = base, .limit = 0xfff, .seg_32bit = 1, .contents = CONFORMING, .seg_not_present = 1});
    handle_info(SIGSEGV, on_fault, 0);
    handle_info(SIGBUS, on_fault, 0);
    loads();
    other_code();
    way_back();
    sharing();
    thread_area();
    return wrong;
}
