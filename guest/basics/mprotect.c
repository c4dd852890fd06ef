/*
 * mprotect -- protections change what faults, also across a fork and in the middle of a mapping
 */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile int code;

static void on_fault(int number, siginfo_t *info, void *context)
{
    code = info->si_code;
    siglongjmp(back, 1);
}

static const char *touch(volatile char *p, int store)
{
    if (sigsetjmp(back, 1))
        return code == SEGV_ACCERR ? "ACCERR" : code == SEGV_MAPERR ? "MAPERR" : "other";
    if (store)
        *p = 1;
    else
        (void)*p;
    return "fine";
}

#define SHOW(what) out("%-28s read %s, write %s\n", what, touch(p, 0), touch(p, 1))

int main(void)
{
    size_t page = 4096;
    handle_info(SIGSEGV, on_fault, 0);
    char *area = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = area + page;
    SHOW("read+write");
    TRY(mprotect(p, page, PROT_READ));
    SHOW("read");
    TRY(mprotect(p, page, PROT_NONE));
    SHOW("none");
    TRY(mprotect(p, page, PROT_WRITE));
    SHOW("write (implies read)");
    TRY(mprotect(p, page, PROT_READ));
    pid_t child = FORK({
        mprotect(p, page, PROT_READ | PROT_WRITE);
        SHOW("child made it writable");
    });
    reap(child);
    SHOW("parent still read only");
    p = area;
    SHOW("neighbour below");
    p = area + 2 * page;
    SHOW("neighbour above");
    munmap(area + 2 * page, page);
    SHOW("unmapped");
    TRY(mprotect(area, 4 * page, PROT_READ));
    p = area;
    SHOW("before the hole, after ENOMEM");
    p = area + 3 * page;
    SHOW("behind the hole, after ENOMEM");
    TRY(mprotect(area + 1, page, PROT_READ));
    TRY(mprotect(area, 0, PROT_READ));
    TRY(mprotect(area, page, 0x80));
    TRY(mprotect(area, page, PROT_READ | PROT_GROWSDOWN));
    return wrong;
}
