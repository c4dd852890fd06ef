/*
 * truncation -- truncate, ftruncate, sparse files, SEEK_HOLE and SEEK_DATA, fallocate, lseek errors
 */
#include "guest.h"

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

int main(void)
{
    char text[16];
    struct stat st;
    int fd = MUST(open("sparse", O_CREAT | O_RDWR | O_TRUNC, 0600));
    write(fd, "0123456789", 10);
    TRY(ftruncate(fd, 4));
    TRY(ftruncate(fd, 8));
    memset(text, 'x', sizeof text);
    TRY(pread(fd, text, 16, 0));
    out("cut and grown: %.4s then %d %d\n", text, text[4], text[7]);
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(truncate("sparse", 3));
    TRY(truncate("missing", 3));
    TRY(truncate(".", 3));
    TRY(truncate("sparse", -1));
    TRY(ftruncate(99, 3));
    int pipes[2];
    pipe(pipes);
    TRY(ftruncate(pipes[1], 0));
    TRY(pwrite(fd, "end", 3, 1 << 20));
    fstat(fd, &st);
    out("size %ld\n", (long)st.st_size);
    expect(st.st_blocks * 512 < st.st_size, "it is sparse");
    TRY(pread(fd, text, 4, 500000));
    out("a hole reads as %d\n", text[0] | text[1] | text[2] | text[3]);
    TRY(lseek(fd, 0, SEEK_DATA));
    expect(lseek(fd, 0, SEEK_HOLE) <= 1 << 20, "SEEK_HOLE");
    long data = lseek(fd, 100000, SEEK_DATA);
    expect(data > 900000 && data <= 1 << 20, "SEEK_DATA finds the end's block");
    TRY(lseek(fd, (1 << 20) + 3, SEEK_DATA));
    TRY(lseek(fd, (1 << 20) + 2, SEEK_HOLE));
    TRY(lseek(fd, -1, SEEK_SET));
    TRY(lseek(fd, 0, 99));
    TRY(lseek(fd, 1L << 40, SEEK_SET));
    TRY(read(fd, text, 1));
    TRY(lseek(fd, -3, SEEK_END));
    TRY(read(fd, text, 16));
    TRY(lseek(pipes[0], 0, SEEK_SET));
    TRY(pread(pipes[0], text, 1, 0));
    TRY(pread(fd, text, 1, -1));
    TRY(posix_fallocate(fd, 0, 2 << 20) == 0);
    fstat(fd, &st);
    out("allocated size %ld\n", (long)st.st_size);
    TRY(fallocate(fd, 0x03 /* PUNCH_HOLE | KEEP_SIZE */, 0, 1 << 20));
    TRY(pread(fd, text, 3, 0));
    out("punched: %d\n", text[0] | text[1] | text[2]);
    TRY(fallocate(fd, 0, 0, 0));
    TRY(fallocate(fd, 0, -1, 5));
    int append = open("sparse", O_WRONLY | O_APPEND);
    TRY(pwrite(append, "zzz", 3, 0));
    fstat(fd, &st);
    out("pwrite to an O_APPEND file appends: size %ld\n", (long)st.st_size);
    TRY(lseek(append, 0, SEEK_SET));
    TRY(write(append, "q", 1));
    TRY(lseek(append, 0, SEEK_CUR));
    unlink("sparse");
    return wrong;
}
