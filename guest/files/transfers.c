/*
 * transfers -- readv, writev, pread, pwritev, sendfile, copy_file_range, splice: counts, offsets, errors
 */
#include "guest.h"
#include <sys/sendfile.h>

static const char *contents(int fd)
{
    static char text[128];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

int main(void)
{
    char a[4] = "", b[8] = "", c[8] = "";
    int from = memfd_create("from", 0), to = memfd_create("to", 0), pipes[2];
    pipe(pipes);
    struct iovec parts[3] = {{"one ", 4}, {"", 0}, {"two three", 9}};
    TRY(writev(from, parts, 3));
    TRY(lseek(from, 0, SEEK_SET));
    struct iovec into[3] = {{a, 3}, {b, 4}, {c, 7}};
    TRY(readv(from, into, 3));
    out("[%s] [%s] [%s]\n", a, b, c);
    TRY(syscall(SYS_readv, from, into, 0L));
    TRY(syscall(SYS_readv, from, into, -1L));
    TRY(syscall(SYS_readv, from, into, 2000L));
    into[1].iov_len = -1;
    TRY(readv(from, into, 2));
    TRY(pwritev(to, parts, 3, 3));
    TRY(preadv(to, parts, 0, 0));
    ftruncate(to, 0);
    off_t offset = 4;
    TRY(sendfile(to, from, &offset, 3));
    out("offset %ld position %ld: %s\n", (long)offset, (long)lseek(from, 0, SEEK_CUR), contents(to));
    lseek(from, 0, SEEK_SET);
    TRY(sendfile(to, from, NULL, 100));
    TRY(lseek(from, 0, SEEK_CUR));
    out("%s\n", contents(to));
    TRY(sendfile(pipes[1], from, &(off_t){0}, 3));
    TRY(read(pipes[0], a, 3));
    TRY(sendfile(to, pipes[0], NULL, 3));
    int append = open("appended", O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600);
    TRY(sendfile(append, from, NULL, 3));
    unlink("appended");
    TRY(sendfile(99, from, NULL, 3));
    TRY(sendfile(to, 99, NULL, 3));

    off_t in = 0, at = 0;
    ftruncate(to, 0);
    int file = open("copy-from", O_CREAT | O_RDWR | O_TRUNC, 0600), target = open("copy-to", O_CREAT | O_RDWR | O_TRUNC, 0600);
    write(file, "copy this text", 14);
    TRY(syscall(SYS_copy_file_range, file, &in, target, &at, 4L, 0));
    in = 9;
    TRY(syscall(SYS_copy_file_range, file, &in, target, &at, 100L, 0));
    out("%s, offsets %ld %ld\n", contents(target), (long)in, (long)at);
    TRY(syscall(SYS_copy_file_range, file, &in, target, &at, 100L, 0));
    in = 0;
    at = 5;
    TRY(syscall(SYS_copy_file_range, file, &in, file, &at, 10L, 0));
    TRY(syscall(SYS_copy_file_range, file, &in, pipes[1], NULL, 10L, 0));
    TRY(syscall(SYS_copy_file_range, file, &in, target, &at, 10L, 1));

    in = 0;
    TRY(splice(file, &in, pipes[1], NULL, 4, 0));
    at = 0;
    TRY(splice(pipes[0], NULL, target, &at, 100, 0));
    TRY(splice(file, &in, target, &at, 4, 0));
    int second[2];
    pipe(second);
    write(pipes[1], "tee", 3);
    TRY(tee(pipes[0], second[1], 10, 0));
    TRY(read(second[0], b, 8));
    TRY(read(pipes[0], b, 8));
    struct iovec gift = {"gift", 4};
    TRY(vmsplice(pipes[1], &gift, 1, 0));
    TRY(read(pipes[0], b, 8));
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    TRY(splice(pipes[0], NULL, target, &at, 10, SPLICE_F_NONBLOCK));
    unlink("copy-from");
    unlink("copy-to");
    return 0;
}
