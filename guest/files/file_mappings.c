/*
 * file_mappings -- shared mappings are coherent with read and write; private ones are not seen by others
 */
#include "guest.h"

int main(void)
{
    size_t page = 4096;
    char text[8] = "";
    int fd = MUST(open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0600));
    ftruncate(fd, 3 * page);
    pwrite(fd, "file", 4, 0);
    char *shared = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *second = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
    out("%.4s %.4s\n", shared, private);
    memcpy(shared, "SHAR", 4);
    pread(fd, text, 4, 0);
    out("a store is read: %s, and seen by an untouched private page: %.4s\n", text, private);
    memcpy(private, "PRIV", 4);
    pread(fd, text, 4, 0);
    out("a private store is not: %s %.4s\n", text, shared);
    pwrite(fd, "more", 4, page + 10);
    out("a write is seen: %.4s %.4s\n", shared + page + 10, second + 10);
    pwrite(fd, "WROT", 4, 0);
    out("the private copy stays: %.4s, the shared one does not: %.4s\n", private, shared);
    pid_t child = FORK({
        memcpy(shared + 100, "child", 5);
        memcpy(private + 100, "child", 5);
    });
    reap(child);
    out("by a child: shared %.5s private %d\n", shared + 100, private[100]);
    TRY(msync(shared, page, MS_SYNC));
    TRY(munmap(shared, 2 * page));
    TRY(munmap(private, 2 * page));
    pread(fd, text, 5, 100);
    out("after unmapping: %s\n", text);

    /* The tail of the last page is zero and goes nowhere. */
    ftruncate(fd, 10);
    shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    out("behind the end: %d\n", shared[10]);
    shared[20] = 'x';
    struct stat st;
    fstat(fd, &st);
    out("size %ld\n", (long)st.st_size);
    ftruncate(fd, 40);
    char byte;
    pread(fd, &byte, 1, 30);
    out("grown: %d\n", byte);
    munmap(shared, page);

    int read_only = open("mapped", O_RDONLY), write_only = open("mapped", O_WRONLY);
    TRY(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0));
    TRY_OK(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0));
    TRY(mmap(NULL, page, PROT_READ, MAP_PRIVATE, write_only, 0));
    TRY(mmap(NULL, page, PROT_READ, MAP_SHARED, 99, 0));
    int directory = open(".", O_RDONLY);
    TRY(mmap(NULL, page, PROT_READ, MAP_SHARED, directory, 0));
    int pipes[2];
    pipe(pipes);
    TRY(mmap(NULL, page, PROT_READ, MAP_PRIVATE, pipes[0], 0));
    TRY(syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, fd, 100L));
    char *upgrade = mmap(NULL, page, PROT_READ, MAP_SHARED, read_only, 0);
    TRY(mprotect(upgrade, page, PROT_READ | PROT_WRITE));
    int zero = open("/dev/zero", O_RDWR);
    char *zeros = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    out("/dev/zero: %d\n", zeros == MAP_FAILED ? -1 : zeros[5]);

    int memory = memfd_create("sealed", MFD_ALLOW_SEALING);
    ftruncate(memory, page);
    TRY(fcntl(memory, 1033 /* F_ADD_SEALS */, 0x2 | 0x4 /* SHRINK | GROW */));
    TRY(ftruncate(memory, 10));
    TRY(ftruncate(memory, 2 * page));
    TRY(fcntl(memory, 1033, 0x8 /* WRITE */));
    TRY(write(memory, "x", 1));
    TRY(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
    TRY(fcntl(memory, 1034 /* F_GET_SEALS */));
    unlink("mapped");
    return 0;
}
