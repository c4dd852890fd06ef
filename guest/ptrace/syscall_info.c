/*
 * syscall_info -- PTRACE_GET_SYSCALL_INFO and PTRACE_SET_SYSCALL_INFO: seeing a call and making it another
 * guest: needs=linux-6.16
 */
#include "guest.h"
#include "ptrace.h"

#define GET_SYSCALL_INFO 0x420e
#define SET_SYSCALL_INFO 0x4212

struct info {
    uint8_t op, reserved;
    uint16_t flags;
    uint32_t arch;
    uint64_t ip, sp;
    union {
        struct {
            uint64_t nr, args[6];
        } entry;
        struct {
            int64_t rval;
            uint8_t is_error;
        } exit;
        uint64_t words[8];
    };
};

static pid_t pid;
static struct info info;

static long get(size_t size)
{
    memset(&info, 0, sizeof info);
    return syscall(SYS_ptrace, GET_SYSCALL_INFO, pid, size, &info);
}

static void show(void)
{
    long size = get(sizeof info);
    out("%ld bytes, op %d", size, info.op);
    if (info.op == 1)
        out(", call %ld(%#lx, %#lx, %#lx)\n", (long)info.entry.nr, (long)info.entry.args[0], (long)info.entry.args[1],
            (long)info.entry.args[2]);
    else if (info.op == 2)
        out(", result %ld, error %d\n", (long)info.exit.rval, info.exit.is_error);
    else
        out("\n");
}

static void set(const char *what, struct info *new, size_t size)
{
    errno = 0;
    long result = syscall(SYS_ptrace, SET_SYSCALL_INFO, pid, size, new);
    out("%s: %s\n", what, result == -1 ? errno_name(errno) : "0");
}

static void next(void)
{
    MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
    int status;
    MUST(waitpid(pid, &status, __WALL));
    out("-- %s\n", stop_name(status));
}

#define CHANGED(field, value)      \
    ({                             \
        struct info copy = info;   \
        copy.field = value;        \
        set(#field " = " #value, &copy, sizeof copy); \
    })

int main(void)
{
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        for (int i = 0; i < 8; i++) {
            long result = syscall(SYS_lseek, 5, 6, 7);
            if (result == -1)
                out("  tracee: %s\n", errno_name(errno));
            else
                out("  tracee: %ld\n", result);
        }
        _exit(0);
    });
    waitpid(pid, NULL, 0);
    show();
    set("not in a system call", &info, sizeof info);
    TRY(syscall(SYS_ptrace, SET_SYSCALL_INFO, pid, sizeof info, 8L));
    TRY(syscall(SYS_ptrace, SET_SYSCALL_INFO, pid, 8L, 8L));
    next();
    show(); /* without TRACESYSGOOD it is a trap as any other */
    MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    do {
        next();
        get(sizeof info);
    } while (info.op != 1 || info.entry.nr != SYS_lseek);
    show();
    struct info saved = info;
    for (size_t size = 0; size < 100; size++) {
        errno = 0;
        if (syscall(SYS_ptrace, SET_SYSCALL_INFO, pid, size, &saved) == 0) {
            out("first size that will do: %zu\n", size);
            break;
        }
    }
    CHANGED(reserved, 1);
    CHANGED(flags, 1);
    CHANGED(arch, 1);
    CHANGED(ip, 1);
    CHANGED(sp, 1);
    CHANGED(op, 0);
    CHANGED(op, 2);
    CHANGED(op, 3);
    CHANGED(op, 4);
    CHANGED(words[7], -1UL);
    CHANGED(entry.nr, 1UL << 32);
    CHANGED(entry.nr, 1UL << 31);
    CHANGED(entry.nr, -1UL << 31);
    show();
    struct info other = saved;
    other.entry.nr = SYS_write;
    other.entry.args[0] = 1;
    other.entry.args[2] = 0;
    set("another call", &other, sizeof other);
    show();
    next();
    show();
    struct info result = info;
    result.exit.rval = -ENOTTY;
    result.exit.is_error = 1;
    set("a failure", &result, sizeof result);
    show();
    next(); /* the tracee's own write */
    next();
    next();
    saved = info;
    get(sizeof info);
    saved = info;
    saved.entry.nr = -1;
    saved.entry.args[0] = 1234;
    set("no call", &saved, sizeof saved);
    show();
    out("first argument %ld\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rdi), 0));
    next();
    show();
    get(sizeof info);
    CHANGED(exit.rval, 77);
    show();
    CHANGED(exit.rval, -5000);
    show();
    CHANGED(exit.is_error, 2);
    result = info;
    result.exit.rval = 77;
    result.exit.is_error = 0;
    set("a result", &result, sizeof result);
    MUST(ptrace(PTRACE_DETACH, pid, 0, 0));
    out("%s\n", status_name(reap(pid)));
    return 0;
}
