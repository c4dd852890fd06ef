/*
 * process_vm -- process_vm_readv and process_vm_writev: vectors, their limits, partial transfers, errors
 */
#include "guest.h"
#include "ptrace.h"

#define BAD ((void *)8)

static char *pages; /* four pages: readable, nothing, read-only, readable */
static char local[3 * 4096];
static pid_t pid;

#define IOV(...) ((struct iovec[]){__VA_ARGS__})
#define READ(lv, ln, rv, rn) TRY(syscall(SYS_process_vm_readv, (long)pid, lv, (long)(ln), rv, (long)(rn), 0L))
#define WRITE(lv, ln, rv, rn) TRY(syscall(SYS_process_vm_writev, (long)pid, lv, (long)(ln), rv, (long)(rn), 0L))

int main(void)
{
    pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++)
        memset(pages + i * 4096, 'a' + i, 4096);
    MUST(mprotect(pages + 2 * 4096, 4096, PROT_READ));
    char *hole = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + 4096, 4096);
    pid = FORK({ pause(); });
    munmap(pages + 4096, 4096);
    MUST(pages == mmap(pages, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ? 0 : -1);
    kill(pid, SIGKILL);
    reap(pid);
    for (int i = 0; i < 4; i++)
        memset(pages + i * 4096, 'a' + i, 4096);
    munmap(pages + 4096, 4096);
    MUST(mprotect(pages + 2 * 4096, 4096, PROT_READ));
    pid = FORK({
        pause();
    });

    out("-- arguments\n");
    struct iovec l = {local, 16}, r = {pages, 16};
    TRY(syscall(SYS_process_vm_readv, (long)pid, &l, 1L, &r, 1L, 1L));
    TRY(syscall(SYS_process_vm_writev, (long)pid, &l, 1L, &r, 1L, -1L));
    TRY(syscall(SYS_process_vm_readv, 0x3ffffeL, &l, 1L, &r, 1L, 0L));
    TRY(syscall(SYS_process_vm_readv, 0L, &l, 1L, &r, 1L, 0L));
    TRY(syscall(SYS_process_vm_readv, -1L, &l, 1L, &r, 1L, 0L));
    READ(&l, 0, &r, 1);
    READ(&l, 1, &r, 0);
    READ(&l, 0, BAD, 1);
    READ(BAD, 0, &r, 1);
    READ(BAD, 1, &r, 1);
    READ(&l, 1, BAD, 1);
    READ(&l, -1, &r, 1);
    READ(&l, 1, &r, -1);
    READ(&l, 1025, &r, 1);
    READ(&l, 1, &r, 1025);
    READ(IOV({local, 0}), 1, BAD, 1);
    READ(IOV({local, 0}), 1, &r, 1);
    READ(&l, 1, IOV({pages, 0}), 1);
    READ(&l, 1, IOV({BAD, 0}), 1);
    READ(IOV({local, -1}), 1, &r, 1);
    READ(&l, 1, IOV({pages, -1}), 1);
    READ(IOV({(void *)-8, 16}), 1, &r, 1);
    READ(&l, 1, IOV({(void *)-8, 16}), 1);
    READ(&l, 1, IOV({(void *)0x7ffffffff000, 16}), 1);
    READ(&l, 1, IOV({NULL, 16}), 1);
    struct iovec many[1024];
    for (int i = 0; i < 1024; i++)
        many[i] = (struct iovec){pages + i, 1};
    READ(IOV({local, 1024}), 1, many, 1024);
    for (int i = 0; i < 1024; i++)
        many[i].iov_base = local + 1023 - i;
    READ(many, 1024, IOV({pages, 1024}), 1);

    out("-- lengths\n");
    READ(IOV({local, 10}, {local + 20, 10}), 2, IOV({pages, 5}, {pages + 2 * 4096, 15}), 2);
    out("%.5s %.5s %.10s\n", local, local + 5, local + 20);
    READ(IOV({local, 10}), 1, IOV({pages, 100}), 1);
    READ(IOV({local, 100}), 1, IOV({pages, 10}), 1);
    READ(IOV({local, 0}, {local, 4}, {local, 0}, {local + 4, 4}), 4, IOV({pages, 0}, {pages, 8}), 2);

    out("-- what is not there\n");
    READ(IOV({local, 8192}), 1, IOV({pages, 8192}), 1);
    READ(IOV({local, 8192}), 1, IOV({pages + 4000, 8192}), 1);
    READ(IOV({local, 8192}), 1, IOV({pages + 4096, 16}), 1);
    READ(IOV({local, 8192}), 1, IOV({pages, 16}, {pages + 4096, 16}, {pages, 16}), 3);
    READ(IOV({hole, 8192}), 1, IOV({pages + 2 * 4096, 8192}), 1);
    READ(IOV({hole + 4000, 8192}), 1, IOV({pages + 2 * 4096, 8192}), 1);
    READ(IOV({hole + 4096, 16}), 1, IOV({pages, 16}), 1);
    READ(IOV({hole, 16}, {hole + 4096, 16}), 2, IOV({pages, 32}), 1);

    out("-- writing\n");
    memset(local, 'z', sizeof local);
    WRITE(IOV({local, 16}), 1, IOV({pages, 16}), 1);
    WRITE(IOV({local, 16}), 1, IOV({pages + 2 * 4096, 16}), 1);
    WRITE(IOV({local, 8192}), 1, IOV({pages + 4090, 8192}), 1);
    WRITE(IOV({local, 32}), 1, IOV({pages + 3 * 4096, 16}, {pages + 2 * 4096, 16}), 2);
    WRITE(IOV({hole + 4090, 100}), 1, IOV({pages, 100}), 1);
    WRITE(IOV({hole + 4096, 100}), 1, IOV({pages, 100}), 1);
    READ(IOV({local, 20}), 1, IOV({pages, 20}), 1);
    out("%.20s\n", local);
    READ(IOV({local, 6}), 1, IOV({pages + 4090, 6}), 1);
    out("%.6s, here %.4s\n", local, pages);

    out("-- the dead\n");
    kill(pid, SIGKILL);
    await_state(pid, "Z");
    READ(&l, 1, &r, 1);
    reap(pid);
    READ(&l, 1, &r, 1);
    return 0;
}
