/*
 * errors -- every way a ptrace request can be refused: no tracee, not stopped, not permitted, no such thing
 */
#include "guest.h"
#include "ptrace.h"
#include <elf.h>

#define OLDSETOPTIONS 21
#define GETFPXREGS 18
#define SETFPXREGS 19
#define GET_THREAD_AREA 25
#define SET_THREAD_AREA 26
#define ARCH_PRCTL 30
#define SET_SYSCALL_INFO 0x4212
#define GET_RSEQ 0x420f
#define ARCH_GET_FS 0x1003
#define ARCH_SET_FS 0x1002
#define BAD ((void *)8)

static long request(long op, long pid, long addr, long data) { return syscall(SYS_ptrace, op, pid, addr, data); }
#define REQUEST(op, pid, addr, data)                                                      \
    ({                                                                                    \
        errno = 0;                                                                        \
        long request_result = request(op, pid, (long)(addr), (long)(data));               \
        if (request_result == -1)                                                         \
            out("%s(%s, %s) = -1 %s\n", #op, #addr, #data, errno_name(errno));            \
        else                                                                              \
            out("%s(%s, %s) = %ld\n", #op, #addr, #data, request_result);                 \
        request_result;                                                                   \
    })

static const struct {
    const char *name;
    long op;
} all[] = {
    {"PEEKTEXT", 1}, {"PEEKDATA", 2}, {"PEEKUSER", 3}, {"POKETEXT", 4}, {"POKEDATA", 5}, {"POKEUSER", 6}, {"CONT", 7}, {"KILL", 8},
    {"SINGLESTEP", 9}, {"10", 10}, {"11", 11}, {"GETREGS", 12}, {"SETREGS", 13}, {"GETFPREGS", 14}, {"SETFPREGS", 15}, {"DETACH", 17},
    {"GETFPXREGS", 18}, {"SETFPXREGS", 19}, {"OLDSETOPTIONS", 21}, {"SYSCALL", 24}, {"GET_THREAD_AREA", 25}, {"SET_THREAD_AREA", 26},
    {"ARCH_PRCTL", 30}, {"SYSEMU", 31}, {"SYSEMU_SINGLESTEP", 32}, {"SINGLEBLOCK", 33}, {"34", 34}, {"SETOPTIONS", 0x4200},
    {"GETEVENTMSG", 0x4201}, {"GETSIGINFO", 0x4202}, {"SETSIGINFO", 0x4203}, {"GETREGSET", 0x4204}, {"SETREGSET", 0x4205},
    {"INTERRUPT", 0x4207}, {"LISTEN", 0x4208}, {"PEEKSIGINFO", 0x4209}, {"GETSIGMASK", 0x420a}, {"SETSIGMASK", 0x420b},
    {"SECCOMP_GET_FILTER", 0x420c}, {"SECCOMP_GET_METADATA", 0x420d}, {"GET_SYSCALL_INFO", 0x420e}, {"GET_RSEQ", 0x420f},
    {"SET_SYSCALL_INFO", 0x4212}, {"0x4299", 0x4299}, {"-1", -1},
};

/* Every request to `pid` with useless arguments. */
static void every(long pid, int stopped_only)
{
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (stopped_only && (all[i].op == PTRACE_KILL || all[i].op == PTRACE_INTERRUPT))
            continue;
        long result = request(all[i].op, pid, 0, 0);
        out("  %s: %s\n", all[i].name, result == -1 ? errno_name(errno) : "0");
    }
}

static void *other_thread(void *argument)
{
    pid_t pid = *(pid_t *)argument;
    out("from another thread of the tracer:\n");
    REQUEST(PTRACE_CONT, pid, 0, 0);
    REQUEST(PTRACE_INTERRUPT, pid, 0, 0);
    REQUEST(PTRACE_KILL, pid, 0, 0);
    REQUEST(PTRACE_SEIZE, pid, 0, 0);
    return NULL;
}

static pid_t thread_id;
static void *sleeping_thread(void *argument)
{
    thread_id = syscall(SYS_gettid);
    pause();
    return NULL;
}

static void nobody(void)
{
    out("-- nobody's tracee\n");
    pid_t pid = FORK({ pause(); });
    every(pid, 0);
    out("-- no such thread\n");
    every(0x3ffffe, 0);
    REQUEST(PTRACE_ATTACH, 0x3ffffe, 0, 0);
    REQUEST(PTRACE_SEIZE, 0x3ffffe, 0, 0);
    REQUEST(PTRACE_CONT, 0, 0, 0);
    REQUEST(PTRACE_ATTACH, -1, 0, 0);
    out("-- attaching to what cannot be traced\n");
    REQUEST(PTRACE_ATTACH, getpid(), 0, 0);
    REQUEST(PTRACE_SEIZE, getpid(), 0, 0);
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, sleeping_thread, NULL));
    while (!*(volatile pid_t *)&thread_id)
        sleep_ms(1);
    REQUEST(PTRACE_SEIZE, thread_id, 0, 0);
    REQUEST(PTRACE_SEIZE, pid, 8, 0);
    REQUEST(PTRACE_SEIZE, pid, 0, 0x80000000);
    REQUEST(PTRACE_SEIZE, pid, 0, 0x400000);
    REQUEST(PTRACE_SEIZE, pid, 0, 0x100);
    kill(pid, SIGKILL);
    await_state(pid, "Z");
    REQUEST(PTRACE_SEIZE, pid, 0, 0);
    REQUEST(PTRACE_ATTACH, pid, 0, 0);
    waitpid(pid, NULL, 0);
    REQUEST(PTRACE_ATTACH, pid, 0, 0);
}

static void running(void)
{
    out("-- a running tracee\n");
    pid_t pid = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    every(pid, 1);
    int status;
    REQUEST(PTRACE_INTERRUPT, pid, 0, 0);
    MUST(waitpid(pid, &status, __WALL));
    out("%s\n", stop_name(status));
    REQUEST(PTRACE_SEIZE, pid, 0, 0);
    REQUEST(PTRACE_ATTACH, pid, 0, 0);
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, other_thread, &pid));
    pthread_join(thread, NULL);
    pid_t third = FORK({
        out("from a third process:\n");
        REQUEST(PTRACE_SEIZE, pid, 0, 0);
        REQUEST(PTRACE_CONT, pid, 0, 0);
    });
    waitpid(third, NULL, 0);
    kill(pid, SIGKILL);
    stop(pid, 0);
    every(pid, 0);
}

static pid_t attached(void)
{
    pid_t pid = FORK({
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGUSR1);
        raise(SIGUSR2);
        for (;;)
            getppid();
    });
    MUST(waitpid(pid, NULL, 0));
    return pid;
}

static void stopped(void)
{
    char buffer[1024];
    out("-- signals for the tracee\n");
    pid_t pid = attached();
    REQUEST(PTRACE_CONT, pid, 0, 65);
    REQUEST(PTRACE_CONT, pid, 0, -1);
    REQUEST(PTRACE_SYSCALL, pid, 0, 1000);
    REQUEST(PTRACE_SINGLESTEP, pid, 0, 1L << 33);
    REQUEST(PTRACE_DETACH, pid, 0, 65);
    REQUEST(PTRACE_DETACH, pid, 0, -1);
    out("-- only for seized ones\n");
    REQUEST(PTRACE_INTERRUPT, pid, 0, 0);
    REQUEST(PTRACE_LISTEN, pid, 0, 0);
    out("-- options\n");
    REQUEST(PTRACE_SETOPTIONS, pid, 0, -1);
    REQUEST(PTRACE_SETOPTIONS, pid, 0, 0x100);
    REQUEST(PTRACE_SETOPTIONS, pid, 0, 0x400000);
    REQUEST(PTRACE_SETOPTIONS, pid, 0, 0x1000ff);
    REQUEST(OLDSETOPTIONS, pid, 0, 1);
    out("-- memory of the tracer\n");
    REQUEST(PTRACE_PEEKDATA, pid, buffer, BAD);
    REQUEST(PTRACE_PEEKUSER, pid, 0, BAD);
    REQUEST(PTRACE_GETEVENTMSG, pid, 0, BAD);
    REQUEST(PTRACE_GETSIGINFO, pid, 0, BAD);
    REQUEST(PTRACE_SETSIGINFO, pid, 0, BAD);
    REQUEST(PTRACE_GETREGS, pid, 0, BAD);
    REQUEST(PTRACE_SETREGS, pid, 0, BAD);
    REQUEST(PTRACE_GETFPREGS, pid, 0, BAD);
    REQUEST(PTRACE_SETFPREGS, pid, 0, BAD);
    REQUEST(PTRACE_GETREGSET, pid, NT_PRSTATUS, BAD);
    REQUEST(PTRACE_SETREGSET, pid, NT_PRSTATUS, BAD);
    REQUEST(PTRACE_GETSIGMASK, pid, 8, BAD);
    REQUEST(PTRACE_SETSIGMASK, pid, 8, BAD);
    REQUEST(PTRACE_GETSIGMASK, pid, 4, buffer);
    REQUEST(PTRACE_SETSIGMASK, pid, 16, buffer);
    REQUEST(PTRACE_GET_SYSCALL_INFO, pid, 64, BAD);
    REQUEST(PTRACE_GET_SYSCALL_INFO, pid, 0, BAD);
    REQUEST(GET_RSEQ, pid, 24, BAD);
    REQUEST(GET_RSEQ, pid, 0, BAD);
    out("-- queued signals\n");
    struct {
        unsigned long off;
        unsigned flags;
        int count;
    } arguments = {0, 0, 4};
    siginfo_t infos[4];
    kill(pid, SIGTERM);
    syscall(SYS_tkill, pid, SIGHUP);
    REQUEST(PTRACE_PEEKSIGINFO, pid, BAD, infos);
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, BAD);
    arguments.flags = 1;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    arguments.flags = 2;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    arguments.flags = 0;
    arguments.count = -1;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    arguments.count = 0;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    arguments.count = 1;
    arguments.off = 5;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    arguments.off = -1;
    REQUEST(PTRACE_PEEKSIGINFO, pid, &arguments, infos);
    out("-- register sets\n");
    struct iovec vector = {buffer, sizeof buffer};
    REQUEST(PTRACE_GETREGSET, pid, 0, &vector);
    REQUEST(PTRACE_GETREGSET, pid, 3, &vector);
    REQUEST(PTRACE_GETREGSET, pid, 0x200, &vector); /* NT_386_TLS */
    REQUEST(PTRACE_GETREGSET, pid, 0x201, &vector); /* NT_386_IOPERM */
    REQUEST(PTRACE_GETREGSET, pid, 0x204, &vector); /* NT_X86_SHSTK */
    REQUEST(PTRACE_SETREGSET, pid, 0x201, &vector);
    vector = (struct iovec){buffer, 4};
    REQUEST(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector);
    vector = (struct iovec){buffer, 8};
    REQUEST(PTRACE_SETREGSET, pid, NT_PRFPREG, &vector);
    vector = (struct iovec){BAD, 8};
    REQUEST(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector);
    REQUEST(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector);
    vector = (struct iovec){buffer, 0};
    REQUEST(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector);
    REQUEST(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector);
    out("-- segments\n");
    unsigned long base;
    REQUEST(ARCH_PRCTL, pid, &base, ARCH_GET_FS);
    REQUEST(ARCH_PRCTL, pid, BAD, ARCH_GET_FS);
    REQUEST(ARCH_PRCTL, pid, 1L << 47, ARCH_SET_FS);
    REQUEST(ARCH_PRCTL, pid, -1, ARCH_SET_FS);
    REQUEST(ARCH_PRCTL, pid, base, ARCH_SET_FS);
    REQUEST(ARCH_PRCTL, pid, 0, 0x1234);
    REQUEST(ARCH_PRCTL, pid, 0, 0x1011); /* ARCH_GET_CPUID */
    REQUEST(GETFPXREGS, pid, 0, buffer);
    REQUEST(SETFPXREGS, pid, 0, buffer);
    struct user_desc {
        unsigned number, base, limit, bits;
    } desc;
    static const long entries[] = {-1, 0, 11, 12, 14, 15};
    for (int i = 0; i < 6; i++) {
        memset(&desc, 0xff, sizeof desc);
        if (REQUEST(GET_THREAD_AREA, pid, entries[i], &desc) == 0)
            out("  entry %u base %#x limit %#x bits %#x\n", desc.number, desc.base, desc.limit, desc.bits & 0xff);
    }
    REQUEST(GET_THREAD_AREA, pid, 12, BAD);
    REQUEST(SET_THREAD_AREA, pid, 12, BAD);
    static const unsigned bits[] = {0x51, 0x50, 0x55, 0x71, 0x28, 0, 0x59, 0xd3};
    for (int i = 0; i < 8; i++) {
        desc = (struct user_desc){3, 0x1000, 0xfffff, bits[i]};
        if (bits[i] == 0x28 || bits[i] == 0)
            desc.base = desc.limit = 0;
        out("bits %#x ", bits[i]);
        REQUEST(SET_THREAD_AREA, pid, 13, &desc);
        if (request(GET_THREAD_AREA, pid, 13, (long)&desc) == 0)
            out("  entry %u base %#x limit %#x bits %#x\n", desc.number, desc.base, desc.limit, desc.bits & 0xff);
    }
    desc = (struct user_desc){13, 0x1000, 0xfffff, 0x51};
    REQUEST(SET_THREAD_AREA, pid, -1, &desc);
    REQUEST(SET_THREAD_AREA, pid, 15, &desc);
    out("-- a page of the tracee\n");
    void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(none, 4096);
    REQUEST(PTRACE_PEEKDATA, pid, none, &base);
    REQUEST(PTRACE_POKEDATA, pid, none, 0);
    REQUEST(PTRACE_PEEKDATA, pid, -4, &base);
    REQUEST(PTRACE_PEEKDATA, pid, 0x7ffffffff000, &base);
    out("-- killed while stopped\n");
    kill(pid, SIGKILL);
    REQUEST(PTRACE_CONT, pid, 0, 0);
    stop(pid, 0);
    REQUEST(PTRACE_CONT, pid, 0, 0);
}

static void traceme(void)
{
    out("-- PTRACE_TRACEME\n");
    pid_t pid = FORK({
        REQUEST(PTRACE_TRACEME, 1234, 5678, 9);
        REQUEST(PTRACE_TRACEME, 0, 0, 0);
        REQUEST(PTRACE_CONT, getppid(), 0, 0);
    });
    stop(pid, 0);
    pid = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    stop(pid, 0);
    out("-- a seized one in a stop that is none of its group\n");
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    kill(pid, SIGUSR1);
    stop(pid, 0);
    REQUEST(PTRACE_LISTEN, pid, 0, 0);
    kill(pid, SIGKILL);
    stop(pid, 0);
}

int main(void)
{
    nobody();
    running();
    stopped();
    traceme();
    return 0;
}
