/*
 * int80 -- system calls of i386 by `int $0x80`, from a program of 64 bits
 *
 * Number and arguments are the low halves of eax, ebx, ecx, edx, esi, edi and ebp, no register but rax changes, and structures
 * have the layout of i386.
 */
#include "guest.h"
#include <sys/mman.h>
#include <sys/resource.h>

struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12;
};

/* Load the registers, make the call, and store what they are afterwards. */
void raw(struct registers *registers);
__asm__(".text\nraw:\n\t"
        "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %rdi\n\t"
        "mov 0(%rdi), %rax\n\tmov 8(%rdi), %rbx\n\tmov 16(%rdi), %rcx\n\tmov 24(%rdi), %rdx\n\t"
        "mov 32(%rdi), %rsi\n\tmov 48(%rdi), %rbp\n\tmov 56(%rdi), %r8\n\tmov 64(%rdi), %r9\n\t"
        "mov 72(%rdi), %r10\n\tmov 80(%rdi), %r11\n\tmov 88(%rdi), %r12\n\tmov 40(%rdi), %rdi\n\t"
        "int $0x80\n\t"
        "xchg %rdi, (%rsp)\n\t"
        "mov %rax, 0(%rdi)\n\tmov %rbx, 8(%rdi)\n\tmov %rcx, 16(%rdi)\n\tmov %rdx, 24(%rdi)\n\t"
        "mov %rsi, 32(%rdi)\n\tmov %rbp, 48(%rdi)\n\tmov %r8, 56(%rdi)\n\tmov %r9, 64(%rdi)\n\t"
        "mov %r10, 72(%rdi)\n\tmov %r11, 80(%rdi)\n\tmov %r12, 88(%rdi)\n\t"
        "pop %rax\n\tmov %rax, 40(%rdi)\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    struct registers r = {number, a, b, c, d, e, f, 8, 9, 10, 11, 12};
    raw(&r);
    if (r.rbx != (uint64_t)a || r.rcx != (uint64_t)b || r.rdx != (uint64_t)c || r.rsi != (uint64_t)d || r.rdi != (uint64_t)e ||
        r.rbp != (uint64_t)f || r.r8 != 8 || r.r9 != 9 || r.r10 != 10 || r.r11 != 11 || r.r12 != 12)
        out("call %ld: registers changed\n", number);
    return (long)r.rax;
}

#define CALL(number, ...) call6(number, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define call6(number, a, b, c, d, e, f, ...) call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static const char *told(long result)
{
    static char text[32];
    if (result < 0 && result > -4096)
        return errno_name((int)-result);
    snprintf(text, sizeof text, "%ld", result);
    return text;
}

#define SHOW(number, ...) out("%s: %s\n", #number, told(CALL(number, ##__VA_ARGS__)))

enum {
    IA32_exit = 1, IA32_fork = 2, IA32_read = 3, IA32_write = 4, IA32_open = 5, IA32_close = 6, IA32_waitpid = 7, IA32_unlink = 10,
    IA32_time = 13, IA32_lseek = 19, IA32_getpid = 20, IA32_getuid = 24, IA32_nice = 34, IA32_kill = 37, IA32_brk = 45, IA32_fcntl = 55,
    IA32_getppid = 64, IA32_gettimeofday = 78, IA32_mmap = 90, IA32_munmap = 91, IA32_ftruncate = 93, IA32_uname = 122,
    IA32_llseek = 140, IA32_writev = 146, IA32_nanosleep = 162, IA32_pread64 = 180, IA32_pwrite64 = 181, IA32_mmap2 = 192,
    IA32_ftruncate64 = 194, IA32_stat64 = 195, IA32_fstat64 = 197, IA32_getuid32 = 199, IA32_gettid = 224,
    IA32_clock_gettime = 265, IA32_openat = 295, IA32_clock_gettime64 = 403,
};

struct stat64_ia32 {
    uint64_t dev;
    uint32_t pad0, ino32, mode, nlink, uid, gid;
    uint64_t rdev;
    uint32_t pad3;
    int64_t size;
    uint32_t blksize;
    int64_t blocks;
    uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    uint64_t ino;
} __attribute__((packed));

static void on_signal(int number)
{
    out("signal %d\n", number);
}

int main(void)
{
    char *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    char path[64];
    struct stat64_ia32 *status = (void *)(low + 4096);
    uint32_t *words = (void *)(low + 8192);
    struct stat wanted;
    if (low == MAP_FAILED)
        return 1;

    out("getpid %d, gettid %d, getppid %d, getuid %d\n", CALL(IA32_getpid) == getpid(), CALL(IA32_gettid) == getpid(),
        CALL(IA32_getppid) == getppid(), CALL(IA32_getuid32) == getuid());
    /* Only the low halves count. */
    out("high halves ignored: %d\n", CALL(IA32_getpid | 1L << 40) == getpid());
    strcpy(low, "written\n");
    SHOW(IA32_write, 1L << 32 | 1, low, 8);
    SHOW(IA32_write, 1, low, 0x100000000L | 0);
    SHOW(IA32_write, 99, low, 1);
    SHOW(IA32_write, 1, 16, 1);
    SHOW(9999);
    SHOW(-1);
    SHOW(17);

    snprintf(path, sizeof path, "int80.%d", getpid());
    strcpy(low, path);
    int fd = (int)CALL(IA32_open, low, O_RDWR | O_CREAT | O_TRUNC, 0600);
    out("open: %d\n", fd >= 0);
    out("flags: %#lx\n", CALL(IA32_fcntl, fd, F_GETFL));
    strcpy(low + 100, "hello, world");
    words[0] = (uint32_t)(uintptr_t)(low + 100);
    words[1] = 7;
    words[2] = (uint32_t)(uintptr_t)(low + 107);
    words[3] = 5;
    SHOW(IA32_writev, fd, words, 2);
    SHOW(IA32_lseek, fd, -5, SEEK_END);
    SHOW(IA32_read, fd, low + 200, 10);
    out("read back: %.5s\n", low + 200);
    SHOW(IA32_pwrite64, fd, low + 100, 5, 100, 1);
    SHOW(IA32_lseek, fd, 0, SEEK_END);
    SHOW(IA32_llseek, fd, 1, 100, low + 300, SEEK_SET);
    out("position: %#lx\n", *(long *)(low + 300));
    SHOW(IA32_pread64, fd, low + 400, 5, 100, 1);
    SHOW(IA32_ftruncate64, fd, 3, 1);
    /* 4 GiB are too much for who did not ask for large files. */
    int large = (int)CALL(IA32_openat, AT_FDCWD, low, O_RDWR | 0100000);
    out("large: %d\n", large >= 0);
    SHOW(IA32_ftruncate64, large, 3, 1);
    SHOW(IA32_lseek, fd, 0, SEEK_END);
    SHOW(IA32_pwrite64, large, low + 100, 5, 100, 1);
    SHOW(IA32_pread64, fd, low + 400, 5, 100, 1);
    SHOW(IA32_fstat64, fd, status);
    MUST(fstat(fd, &wanted));
    out("stat64: size %#lx, same %d %d %d %d %d\n", (long)status->size, status->ino == wanted.st_ino, status->mode == wanted.st_mode,
        status->dev == wanted.st_dev, status->mtime == (uint32_t)wanted.st_mtime, status->blksize == wanted.st_blksize);
    SHOW(IA32_open, low, O_RDONLY);
    SHOW(IA32_ftruncate, fd, -1);
    SHOW(IA32_ftruncate, fd, 10);
    SHOW(IA32_stat64, low, status);
    out("size %ld\n", (long)status->size);
    SHOW(IA32_unlink, low);
    SHOW(IA32_close, fd);

    long area = CALL(IA32_mmap2, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    out("mmap2 in 32 bits: %d\n", area > 0 && area < 1L << 32);
    *(char *)area = 1;
    SHOW(IA32_munmap, area, 8192);
    uint32_t arguments[6] = {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, (uint32_t)-1, 0};
    memcpy(words, arguments, sizeof arguments);
    area = CALL(IA32_mmap, words);
    out("mmap in 32 bits: %d\n", area > 0 && area < 1L << 32);
    words[5] = 1;
    SHOW(IA32_mmap, words);

    long now = time(NULL);
    out("time: %d\n", CALL(IA32_time, 0) - now <= 1);
    SHOW(IA32_gettimeofday, words, 0);
    out("seconds: %d\n", words[0] - now <= 1);
    SHOW(IA32_clock_gettime, CLOCK_REALTIME, words);
    out("seconds: %d\n", words[0] - now <= 1);
    SHOW(IA32_clock_gettime64, CLOCK_REALTIME, words);
    out("seconds: %d\n", *(long *)words - now <= 1);
    words[0] = 0;
    words[1] = 1000000;
    SHOW(IA32_nanosleep, words, 0);
    words[1] = 1000000000;
    SHOW(IA32_nanosleep, words, 0);

    pid_t pid = (pid_t)CALL(IA32_fork);
    if (pid == 0)
        CALL(IA32_exit, 7);
    out("waitpid: %d, %s\n", CALL(IA32_waitpid, pid, words, 0) == pid, status_name((int)words[0]));
    reap(FORK({
        if (geteuid() == 0)
            MUST(setresuid(1000, 1000, 1000));
        SHOW(IA32_nice, 3);
        SHOW(IA32_nice, -1);
        out("nice %d\n", getpriority(PRIO_PROCESS, 0));
    }));
    signal(SIGUSR1, on_signal);
    SHOW(IA32_kill, getpid(), SIGUSR1);
    return 0;
}
