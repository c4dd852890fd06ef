/*
 * mremap -- growing in place, moving, shrinking, and the fixed form
 */
#include "guest.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

int main(void)
{
    size_t page = 4096;
    char *area = mmap(NULL, 16 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = mmap(area, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(p, 'x', 2 * page);
    TRY(mremap(p, 2 * page, 4 * page, 0));
    munmap(area + 2 * page, 14 * page);
    expect(mremap(p, 2 * page, 4 * page, 0) == p, "grows in place where there is room");
    expect(p[2 * page - 1] == 'x' && p[2 * page] == 0, "old contents kept, new pages zero");
    expect(mremap(p, 4 * page, page, 0) == p, "shrinks in place");
    unsigned char vec[1];
    TRY(mincore(p + page, page, vec));

    char *target = area + 8 * page;
    expect(mremap(p, page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target, "moves to a fixed address");
    expect(target[0] == 'x' && target[page] == 0, "contents moved");
    TRY(mincore(p, page, vec));

    char *blocker = mmap(target + 3 * page, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    TRY(mremap(target, 3 * page, 5 * page, 0));
    char *moved = mremap(target, 3 * page, 5 * page, MREMAP_MAYMOVE);
    expect(moved != MAP_FAILED && moved != target && moved[0] == 'x', "moves when it may");
    munmap(blocker, page);

    char *kept = mremap(moved, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    expect(kept != MAP_FAILED && kept != moved && kept[0] == 'x' && moved[0] == 0, "MREMAP_DONTUNMAP leaves an empty mapping");

    int *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *shared = 7;
    int *twin = mremap(shared, 0, page, MREMAP_MAYMOVE);
    expect(twin != MAP_FAILED && twin != shared, "old size 0 of a shared mapping makes a second one");
    *twin = 8;
    expect(*shared == 8, "both are the same page");

    TRY(mremap(kept + 1, page, page, MREMAP_MAYMOVE));
    TRY(mremap(kept, page, 0, MREMAP_MAYMOVE));
    TRY(mremap(kept, page, page, MREMAP_FIXED, target));
    TRY(mremap(kept, page, page, 0x80));
    TRY(mremap(kept, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, kept + page));
    munmap(kept, 5 * page);
    TRY(mremap(kept, page, page, MREMAP_MAYMOVE));
    return wrong;
}
