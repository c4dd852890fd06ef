/*
 * splices -- splice, tee and vmsplice: between pipes, files and memory
 */
#include "guest.h"
#include <sys/ioctl.h>

static int queued(int fd)
{
    int count;
    MUST(ioctl(fd, FIONREAD, &count));
    return count;
}

int main(void)
{
    int a[2], b[2];
    char text[256];
    static char big[20000];
    MUST(pipe(a));
    MUST(pipe(b));
    MUST(write(a[1], "splice me", 9));
    TRY(tee(a[0], b[1], 100, 0));
    out("a %d b %d\n", queued(a[0]), queued(b[0]));
    TRY(splice(a[0], NULL, b[1], NULL, 6, 0));
    out("a %d b %d\n", queued(a[0]), queued(b[0]));
    MUST(write(b[1], "!", 1));
    long got = TRY(read(b[0], text, sizeof text));
    out("%.*s\n", (int)got, text);
    TRY(splice(a[0], NULL, b[1], NULL, 100, SPLICE_F_NONBLOCK));
    TRY(splice(a[0], NULL, b[1], NULL, 100, SPLICE_F_NONBLOCK));
    TRY(tee(a[0], b[1], 100, SPLICE_F_NONBLOCK));
    TRY(read(b[0], text, sizeof text));

    out("-- files\n");
    int file = MUST(open("spliced", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(write(file, "0123456789abcdef", 16));
    loff_t offset = 4;
    TRY(splice(file, &offset, a[1], NULL, 5, 0));
    out("offset %d position %d\n", (int)offset, (int)lseek(file, 0, SEEK_CUR));
    TRY(splice(file, NULL, a[1], NULL, 5, 0));
    MUST(lseek(file, 0, SEEK_SET));
    TRY(splice(file, NULL, a[1], NULL, 3, 0));
    got = TRY(read(a[0], text, sizeof text));
    out("%.*s\n", (int)got, text);
    MUST(write(a[1], "WRITTEN", 7));
    offset = 8;
    TRY(splice(a[0], NULL, file, &offset, 100, 0));
    out("offset %d\n", (int)offset);
    got = TRY(pread(file, text, sizeof text, 0));
    out("%.*s\n", (int)got, text);
    TRY(splice(a[0], NULL, file, NULL, 100, SPLICE_F_NONBLOCK));
    offset = 100;
    TRY(splice(file, &offset, a[1], NULL, 10, 0));

    out("-- errors\n");
    int other = MUST(open("/dev/null", O_RDWR));
    TRY(splice(file, NULL, other, NULL, 1, 0));
    TRY(splice(a[0], &offset, b[1], NULL, 1, 0));
    TRY(splice(a[0], NULL, b[1], &offset, 1, 0));
    TRY(splice(a[0], NULL, a[1], NULL, 1, 0));
    TRY(tee(a[0], a[1], 1, 0));
    TRY(tee(a[0], file, 1, 0));
    TRY(splice(a[1], NULL, b[1], NULL, 1, 0));
    TRY(splice(a[0], NULL, b[0], NULL, 1, 0));
    TRY(splice(a[0], NULL, b[1], NULL, 0, 0));
    TRY(splice(a[0], NULL, b[1], NULL, 1, 0x80));
    TRY(splice(99, NULL, b[1], NULL, 1, 0));
    int append = MUST(open("spliced", O_WRONLY | O_APPEND));
    MUST(write(a[1], "x", 1));
    TRY(splice(a[0], NULL, append, NULL, 1, 0));
    TRY(read(a[0], text, sizeof text));
    TRY(splice(a[0], NULL, other, NULL, 1, SPLICE_F_NONBLOCK));
    MUST(write(a[1], "gone", 4));
    TRY(splice(a[0], NULL, other, NULL, 100, 0));

    out("-- memory\n");
    struct iovec pieces[2] = {{"one ", 4}, {"two", 3}};
    TRY(vmsplice(a[1], pieces, 2, 0));
    got = TRY(read(a[0], text, sizeof text));
    out("%.*s\n", (int)got, text);
    struct iovec large = {big, sizeof big};
    TRY(vmsplice(a[1], &large, 1, 0));
    struct iovec into = {big, 100};
    TRY(vmsplice(a[0], &into, 1, 0));
    out("left %d\n", queued(a[0]));
    TRY(vmsplice(file, pieces, 2, 0));

    out("-- waiting and the end\n");
    int c[2], d[2];
    MUST(pipe(c));
    MUST(pipe(d));
    pid_t child = FORK({
        sleep_ms(20);
        write(c[1], "late", 4);
    });
    TRY(splice(c[0], NULL, d[1], NULL, 100, 0));
    reap(child);
    close(c[1]);
    TRY(splice(c[0], NULL, d[1], NULL, 100, 0));
    signal(SIGPIPE, SIG_IGN);
    close(d[0]);
    MUST(pipe(c));
    MUST(write(c[1], "x", 1));
    TRY(splice(c[0], NULL, d[1], NULL, 100, 0));
    MUST(unlink("spliced"));
    return wrong;
}
