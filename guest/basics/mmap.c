/*
 * mmap -- anonymous and fixed mappings, their errors, holes, partial unmapping
 *
 * Sharing is seen through fork: a MAP_SHARED page is one page, a MAP_PRIVATE one is copied at the first store.
 */
#include "guest.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int main(void)
{
    size_t page = 4096;
    char *area = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(area != MAP_FAILED && (uintptr_t)area % page == 0, "mapping is page aligned");
    memset(area, 'a', 8 * page);

    TRY(munmap(area + 2 * page, page));
    expect(mmap(area, 8 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
               errno == EEXIST,
           "MAP_FIXED_NOREPLACE refuses to overwrite");
    char *hole = mmap(area + 2 * page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    expect(hole == area + 2 * page && hole[0] == 0 && area[page] == 'a' && area[3 * page] == 'a', "a hole can be filled");
    char *over = mmap(area, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    expect(over == area && area[0] == 0, "MAP_FIXED replaces");
    TRY(munmap(area, 16 * page));
    TRY(munmap(area, 16 * page));
    TRY(munmap(area + 1, page));
    TRY(munmap(area, 0));

    TRY(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    TRY(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0));
    TRY(mmap(NULL, page, PROT_READ, MAP_PRIVATE, -1, 0));
    TRY(syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
    TRY(mmap((void *)0x1001, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    TRY(syscall(SYS_mmap, NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    TRY(mmap((void *)0x7ffffffff000, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));

    int *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *private = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *shared = *private = 1;
    pid_t child = FORK({
        *shared = 2;
        *private = 2;
    });
    reap(child);
    out("after the child wrote 2: shared %d private %d\n", *shared, *private);
    child = FORK({
        pid_t grandchild = FORK({ *shared += 10; });
        reap(grandchild);
        _exit(*shared);
    });
    out("child saw: %s\n", status_name(reap(child)));

    /* A large reservation costs nothing until touched. */
    char *large = mmap(NULL, 1UL << 32, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    expect(large != MAP_FAILED, "4 GiB of address space");
    large[0] = 1;
    large[(1UL << 32) - 1] = 2;
    large[1UL << 31] = 3;
    expect(large[1] == 0 && large[1UL << 31] == 3, "sparse use");
    TRY(munmap(large, 1UL << 32));

    TRY(msync(shared, page, MS_SYNC));
    TRY(msync(shared, page, MS_SYNC | MS_ASYNC));
    unsigned char vec[2];
    TRY(mincore(shared, page, vec));
    TRY(mincore((char *)shared + 1, page, vec));
    TRY(munmap(shared, page));
    TRY(mincore(shared, page, vec));
    return wrong;
}
