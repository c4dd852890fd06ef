/*
 * numa_areas -- /proc/PID/numa_maps: policies of areas and of the thread, anonymous, shared and absent pages
 * guest: needs=proc
 */
#include "procfile.h"

#define PAGE 4096UL

enum { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE };

/* The line of the area at an address, without the address. */
static void line(const char *what, void *address)
{
    char start[32];
    MUST(slurp("/proc/self/numa_maps"));
    snprintf(start, sizeof start, "%08lx ", (unsigned long)address);
    char *at = strstr(text, start);
    if (at)
        out("%s: %.*s\n", what, (int)strcspn(at + strlen(start), "\n"), at + strlen(start));
    else
        out("%s: not there\n", what);
}

int main(void)
{
    memset(text, 1, sizeof text);
    char *area = (char *)MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(area + 7 * PAGE, PAGE, PROT_NONE);
    line("untouched", area);
    memset(area, 1, 3 * PAGE);
    line("three pages", area);
    unsigned long node = 1;
    MUST(syscall(SYS_mbind, area, 2 * PAGE, MPOL_BIND, &node, 65, 0));
    line("bound", area);
    line("the rest", area + 2 * PAGE);
    MUST(syscall(SYS_mbind, area, 2 * PAGE, MPOL_INTERLEAVE, &node, 65, 0));
    line("interleaved", area);
    MUST(syscall(SYS_mbind, area, 2 * PAGE, MPOL_DEFAULT, NULL, 0, 0));
    char *shared = (char *)MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    shared[0] = 1;
    char *found = (line("shared", shared), strstr(text, "/dev/zero"));
    out("its name is %s\n", found ? "/dev/zero" : "missing");
    int child = FORK(pause());
    await_state(child, "S");
    line("with a child", area);
    kill(child, SIGKILL);
    reap(child);
    MUST(syscall(SYS_set_mempolicy, MPOL_BIND, &node, 65));
    line("thread bound", area);
    MUST(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
    line("thread default", area);
    return 0;
}
