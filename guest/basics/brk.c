/*
 * brk -- the program break: growing, shrinking, fresh zero pages, refusals
 *
 * The system call returns the break after the call, the old one when it refuses.
 */
#include "guest.h"

static char *raw_brk(void *address) { return (char *)syscall(SYS_brk, address); }

int main(void)
{
    char *start = raw_brk(NULL);
    expect(raw_brk((void *)1) == start, "a break below the data segment is refused");
    expect(raw_brk((void *)0x7ffffffff000) == start, "a break above user space is refused");
    char *up = raw_brk(start + 0x10000);
    expect(up == start + 0x10000, "the break grows");
    int zero = 1;
    for (char *p = start; p < up; p++)
        zero &= *p == 0;
    expect(zero, "new memory is zero");
    memset(start, 0xaa, 0x10000);
    expect(raw_brk(start) == start, "the break shrinks");
    expect(raw_brk(start + 0x10000) == start + 0x10000, "and grows again");
    char *page = (char *)(((uintptr_t)start + 0xfff) & ~0xfffUL);
    expect(page[0x1000] == 0, "pages given back come back zero");
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = 0x1000;
    setrlimit(RLIMIT_DATA, &limit);
    expect(raw_brk(start + 0x1000000) == start + 0x10000, "RLIMIT_DATA stops it");
    pid_t child = FORK({
        raw_brk(start);
        _exit(raw_brk(NULL) == start ? 0 : 1);
    });
    out("child: %s\n", status_name(reap(child)));
    expect(raw_brk(NULL) == start + 0x10000, "a child's break is its own");
    return wrong;
}
