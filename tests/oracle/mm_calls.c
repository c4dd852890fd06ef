/* Memory as a program meets it: faults and their signals, sharing across fork, the heap, limits, other processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define BASE ((char *)0x20000000UL)
#define show(expr) do { errno = 0; long r_ = (long)(expr); printf("%s = %ld (%s)\n", #expr, r_, errno ? strerror(errno) : "ok"); } while (0)

static sigjmp_buf back;
static volatile sig_atomic_t signo, code;
static void *volatile where;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)context;
    signo = sig, code = info->si_code, where = info->si_addr;
    siglongjmp(back, 1);
}

/* 'r', 'w' or 'x' at an address: what happens. */
static void touch(const char *what, char *address, int how)
{
    if (sigsetjmp(back, 1)) {
        printf("%s: %s %d %ld\n", what, sigabbrev_np(signo), code, (long)((char *)where - address));
        return;
    }
    if (how == 'r')
        *(volatile char *)address;
    else if (how == 'w')
        *(volatile char *)address = 0xc3;
    else
        ((void (*)(void))address)();
    printf("%s: fine\n", what);
}

static long recurse(long depth)
{
    volatile char frame[65536];
    frame[0] = depth;
    return depth ? recurse(depth - 1) + frame[0] : 0;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);

    /* faults */
    char *m = mmap(BASE, 8 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    touch("write anonymous", m, 'w');
    touch("execute data", m, 'x');
    show(mprotect(m, P, PROT_READ | PROT_EXEC));
    touch("execute code", m, 'x');
    touch("write code", m, 'w');
    show(mprotect(m, P, PROT_NONE));
    touch("read nothing", m + 5, 'r');
    show(mprotect(m, P, PROT_READ | PROT_WRITE));
    touch("write again", m, 'w');
    touch("read a hole", m + 8 * P, 'r');
    touch("null", NULL, 'r');
    touch("kernel", (char *)0xffffffff81000000UL, 'r');
    touch("non-canonical", (char *)0x8000000000000000UL, 'r');

    /* code that changes */
    unsigned char *c = mmap(0, P, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 1; i < 4; i++) {
        unsigned char ins[] = {0xb8, i, 0, 0, 0, 0xc3};
        memcpy(c, ins, sizeof ins);
        printf("code %d\n", ((int (*)(void))c)());
    }
    int pipes[2];
    show(pipe(pipes));
    unsigned char ins[] = {0xb8, 77, 0, 0, 0, 0xc3};
    show(write(pipes[1], ins, sizeof ins));
    show(read(pipes[0], c, sizeof ins));
    printf("code read from a pipe %d\n", ((int (*)(void))c)());

    /* files */
    int fd = memfd_create("f", 0);
    show(fd >= 0);
    show(ftruncate(fd, 2 * P));
    char *f = mmap(0, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(0, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    strcpy(f, "shared");
    char text[16] = {0};
    show(pread(fd, text, 7, 0));
    printf("%s %s\n", text, q);
    strcpy(q, "private");
    show(pwrite(fd, "written", 8, 0));
    printf("%s %s\n", f, q);
    touch("beyond the end", f + 2 * P, 'r');
    show(ftruncate(fd, P));
    touch("cut off", f + P, 'w');
    touch("cut off, private", q + P, 'r');
    show(ftruncate(fd, 3 * P));
    touch("grown", f + P, 'w');
    show(read(fd, f + 3 * P, 10));
    show(msync(f, P, MS_SYNC));
    show(msync(f, P, MS_SYNC | MS_ASYNC));

    /* fork */
    char *s = mmap(0, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(m, "parent");
    show(madvise(m + P, P, MADV_DONTFORK));
    show(madvise(m + 2 * P, P, MADV_WIPEONFORK));
    m[2 * P] = 'x';
    pid_t child = fork();
    if (!child) {
        printf("child sees %s\n", m);
        strcpy(m, "child");
        strcpy(s, "from child");
        touch("dontfork", m + P, 'r');
        printf("wiped %d\n", m[2 * P]);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("%s, %s\n", m, s);

    /* madvise, mremap, brk */
    m[3 * P] = 'y';
    show(madvise(m + 3 * P, P, MADV_DONTNEED));
    printf("%d\n", m[3 * P]);
    show(madvise(m, 9 * P, MADV_NORMAL));
    show(madvise(m + 1, P, MADV_NORMAL));
    show(madvise(m, P, 99));
    char *moved = mremap(m + 4 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, m + 16 * P);
    printf("moved %ld\n", (long)(moved - m));
    touch("moved away", m + 4 * P, 'r');
    show(mremap(m + 4 * P, P, 2 * P, MREMAP_MAYMOVE));
    char *heap = sbrk(0);
    show(brk(heap + 10 * P));
    heap[9 * P] = 1;
    show(brk(heap));
    touch("returned heap", heap + 9 * P, 'r');
    unsigned char vec[8];
    m[0] = 1;
    show(mincore(m, 4 * P, vec));
    printf("%d\n", vec[0] & 1);
    show(mincore(m, 16 * P, vec));

    /* errors through system calls */
    show(write(pipes[1], m + 4 * P, 1));
    show(write(pipes[1], NULL, 1));
    show(munmap(m + 1, P));
    show(munmap(m, 0));
    show(mmap(0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    show(mmap(0, P, 3, MAP_PRIVATE, -1, 0) == MAP_FAILED);
    show(mmap(0, P, 3, MAP_PRIVATE, fd, 1) == MAP_FAILED);
    show(mmap(0, P, 3, MAP_PRIVATE, pipes[0], 0) == MAP_FAILED);
    show(mmap(0, 1L << 46, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    int ro = open("/proc/self/exe", O_RDONLY);
    show(mmap(0, P, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED);

    /* limits */
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 1 << 20;
    show(setrlimit(RLIMIT_STACK, &limit));
    printf("recursion %ld\n", recurse(8) > 0);
    if (sigsetjmp(back, 1))
        printf("stack overflow: %s %d\n", sigabbrev_np(signo), code);
    else
        printf("too deep %ld\n", recurse(64));
    limit.rlim_cur = limit.rlim_max = 64 << 20;
    show(setrlimit(RLIMIT_AS, &limit));
    show(mmap(0, 128 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    show(malloc(256 << 20) == NULL);

    /* other processes */
    show(pipe(pipes));
    memset(s, 0, P);
    child = fork();
    if (!child) {
        strcpy(m, "in the child");
        s[5] = 1;
        char got;
        if (read(pipes[0], &got, 1) == 1)
            printf("child got %s\n", m);
        _exit(0);
    }
    while (!((volatile char *)s)[5])
        usleep(1000);
    char buffer[32] = "xxxxxxxxxxxxxxxxxxxxxxxx";
    struct iovec local = {buffer, 13}, remote = {m, 13};
    show(process_vm_readv(child, &local, 1, &remote, 1, 0));
    puts(buffer);
    strcpy(buffer, "by the parent");
    local.iov_len = remote.iov_len = 14;
    show(process_vm_writev(child, &local, 1, &remote, 1, 0));
    remote.iov_base = m + 4 * P;
    show(process_vm_readv(child, &local, 1, &remote, 1, 0));
    show(process_vm_readv(child, &local, 1, &remote, 1, 1));
    show(process_vm_readv(999999, &local, 1, &remote, 1, 0));
    write(pipes[1], "x", 1);
    waitpid(child, NULL, 0);
    return 0;
}
