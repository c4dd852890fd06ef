/*
 * fault_codes -- si_signo, si_code, si_addr and the trap number of every kind of memory fault
 */
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t seen;
static long trap, cr2;

static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen = *info;
    trap = uc->uc_mcontext.gregs[REG_TRAPNO];
    cr2 = uc->uc_mcontext.gregs[REG_CR2];
    siglongjmp(back, 1);
}

static void show(const char *what, char *expected)
{
    const char *code = "other";
    if (seen.si_code == SI_KERNEL)
        code = "SI_KERNEL";
    else if (seen.si_signo == SIGSEGV)
        code = seen.si_code == SEGV_MAPERR ? "SEGV_MAPERR" : seen.si_code == SEGV_ACCERR ? "SEGV_ACCERR" : code;
    else if (seen.si_signo == SIGBUS)
        code = seen.si_code == BUS_ADRERR ? "BUS_ADRERR" : seen.si_code == BUS_ADRALN ? "BUS_ADRALN" : code;
    out("%-34s %s %s trap %ld address %s", what, signal_name(seen.si_signo), code, trap,
        seen.si_addr == expected ? "exact" : seen.si_addr ? "WRONG" : "0");
    out(" cr2 %s\n", trap != 14 ? "-" : cr2 == (long)expected ? "exact" : "WRONG");
}

#define PROBE(what, address, action)      \
    do {                                  \
        volatile char *p = (void *)(address); \
        asm volatile("" : "+r"(p)); /* the compiler must not know the address */ \
        if (sigsetjmp(back, 1) == 0) {    \
            action;                       \
            out("%-34s no fault\n", what); \
        } else                            \
            show(what, (char *)p);        \
    } while (0)

int main(void)
{
    size_t page = 4096;
    handle_info(SIGSEGV, on_fault, 0);
    handle_info(SIGBUS, on_fault, 0);
    char *rw = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *ro = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *none = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(rw, 0xc3, 3 * page);

    PROBE("read of NULL", 0, (void)*p);
    PROBE("write to address 8", 8, *p = 1);
    PROBE("call of NULL", 0, ((void (*)(void))p)());
    PROBE("read of a PROT_NONE page", none + 5, (void)*p);
    PROBE("write to a read-only page", ro + 77, *p = 1);
    (void)*(volatile char *)ro;
    PROBE("write to a touched read-only page", ro + 77, *p = 1);
    PROBE("write to the program's text", (char *)main, *p = 1);
    PROBE("call of a no-exec page", rw + 16, ((void (*)(void))p)());
    munmap(rw + page, page);
    PROBE("read of an unmapped page", rw + page + 9, (void)*p);
    PROBE("last byte before the hole", rw + page - 1, (void)*p);
    PROBE("8-byte read across the hole's edge", rw + page, (void)*(volatile long *)(rw + page - 3));
    PROBE("read of a kernel address", 0xffffffff80000000, (void)*p);
    PROBE("read of a non-canonical address", 0x8000000000000000, (void)*p);
    PROBE("call of a non-canonical address", 0x0001000000000000, ((void (*)(void))p)());

    int fd = memfd_create("short", 0);
    ftruncate(fd, page + 10);
    char *file = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    PROBE("file: behind the end, same page", file + page + 100, (void)*p);
    PROBE("file: behind the last page", file + 2 * page + 1, (void)*p);
    PROBE("file: write behind the last page", file + 2 * page + 2, *p = 1);
    ftruncate(fd, 0);
    PROBE("file: truncated under the mapping", file + 3, (void)*p);
    return wrong;
}
