/*
 * residency -- pages that fallocate made are holes until they are touched, and mincore tells who may know what
 *
 * tmpfs counts such a page among a file's blocks, but lseek does not find data in it and mincore does not find it in memory.
 * Of a file the caller could not write to, mincore says that all of it is in memory.
 *
 * guest: needs=root
 */
#include "guest.h"

enum { PAGE = 4096, PAGES = 8 };

static void show(const char *what, int fd, char *map)
{
    unsigned char core[PAGES];
    char text[PAGES + 1] = "";
    struct stat st;

    if (mincore(map, PAGES * PAGE, core))
        memset(core, 2, sizeof core);
    for (int i = 0; i < PAGES; i++)
        text[i] = '0' + core[i];
    fstat(fd, &st);
    long data = lseek(fd, 0, SEEK_DATA), error = errno, hole = lseek(fd, 3 * PAGE, SEEK_HOLE);
    out("%s: in memory %s, blocks %ld, data %ld%s%s, hole %ld\n", what, text, (long)st.st_blocks, data, data < 0 ? " " : "",
        data < 0 ? errno_name(error) : "", hole);
}

int main(void)
{
    unsigned char core[4];
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    char byte, *map;

    ftruncate(fd, PAGES * PAGE);
    map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show("empty", fd, map);
    fallocate(fd, 0, PAGE, 6 * PAGE);
    show("allocated", fd, map);
    pread(fd, &byte, 1, 2 * PAGE);
    show("read page 2", fd, map);
    map[3 * PAGE] = 1;
    show("touched page 3", fd, map);
    pwrite(fd, "x", 1, 5 * PAGE);
    show("written page 5", fd, map);
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 2 * PAGE);
    show("punched 2 and 3", fd, map);
    ftruncate(fd, 5 * PAGE);
    ftruncate(fd, PAGES * PAGE);
    show("cut at 5", fd, map);
    munmap(map, PAGES * PAGE);

    fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0644);
    ftruncate(fd, 4 * PAGE);
    map = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    out("owner: %d", mincore(map, 4 * PAGE, core));
    out(" %d%d%d%d\n", core[0], core[1], core[2], core[3]);
    setresuid(1000, 1000, 1000);
    out("other: %d", mincore(map, 4 * PAGE, core));
    out(" %d%d%d%d\n", core[0] & 1, core[1] & 1, core[2] & 1, core[3] & 1);

    errno = 0;
    out("unaligned %d", mincore(map + 1, PAGE, core));
    out(" %s\n", errno_name(errno));
    out("huge %d", mincore(map, -1, core));
    out(" %s\n", errno_name(errno));
    out("no vector %d", mincore(map, PAGE, NULL));
    out(" %s\n", errno_name(errno));
    munmap(map + PAGE, PAGE);
    out("hole %d", mincore(map, 4 * PAGE, core));
    out(" %s\n", errno_name(errno));
    return 0;
}
