/*
 * madvise -- DONTNEED drops pages, DONTFORK and WIPEONFORK shape what a child gets
 */
#include "guest.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

int main(void)
{
    size_t page = 4096;
    char *p = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 'x', 4 * page);
    TRY(madvise(p + page, page, MADV_DONTNEED));
    out("DONTNEED: %d %d %d\n", p[0], p[page], p[2 * page]);
    memset(p, 'x', 4 * page);
    TRY(madvise(p, page, MADV_WIPEONFORK));
    TRY(madvise(p + 2 * page, page, MADV_DONTFORK));
    pid_t child = FORK({
        out("child: wiped %d plain %d\n", p[0], p[page]);
        unsigned char vec[1];
        TRY(mincore(p + 2 * page, page, vec));
    });
    reap(child);
    out("parent keeps: %d %d\n", p[0], p[2 * page]);

    char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared[0] = 'y';
    TRY(madvise(shared, page, MADV_DONTNEED));
    out("DONTNEED of shared memory keeps the contents: %d\n", shared[0]);
    TRY(madvise(shared, page, MADV_WIPEONFORK));
    TRY(madvise(p, page, MADV_NORMAL));
    TRY(madvise(p, page, MADV_SEQUENTIAL));
    TRY(madvise(p, page, MADV_WILLNEED));
    TRY(madvise(p, page, 12345));
    TRY(madvise(p + 1, page, MADV_DONTNEED));
    TRY(madvise(p, 0, MADV_DONTNEED));
    munmap(p + page, page);
    TRY(madvise(p, 4 * page, MADV_DONTNEED));
    out("pages behind the hole were dropped too: %d\n", p[3 * page]);
    return wrong;
}
