/*
 * pipes -- capacity, atomic writes, SIGPIPE, end of file, non-blocking ends, F_SETPIPE_SZ, packet mode, FIFOs
 */
#include "guest.h"
#include <sys/ioctl.h>

static volatile int broken;
static void on_pipe(int number) { broken++; }

int main(void)
{
    static char block[70000];
    int p[2], count = 0;
    char byte;
    MUST(pipe2(p, O_NONBLOCK));
    TRY(read(p[0], &byte, 1));
    TRY(fcntl(p[0], F_GETPIPE_SZ));
    while (write(p[1], block, 4096) == 4096)
        count++;
    out("64 KiB in pages: %d, then %s\n", count, errno_name(errno));
    read(p[0], block, 4096);
    TRY(write(p[1], block, 4097));
    TRY(write(p[1], block, 1));
    TRY(read(p[0], block, 70000) > 0);
    while (read(p[0], block, sizeof block) > 0)
        ;
    TRY(write(p[1], block, 70000));
    TRY(ioctl(p[0], FIONREAD, &count));
    out("FIONREAD %d\n", count);
    while (read(p[0], block, sizeof block) > 0)
        ;
    /* Single bytes share a buffer. */
    for (count = 0; write(p[1], "x", 1) == 1; count++)
        ;
    out("single bytes: %d\n", count);
    while (read(p[0], block, sizeof block) > 0)
        ;
    TRY(fcntl(p[0], F_SETPIPE_SZ, 4096));
    TRY(write(p[1], block, 5000));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 100000));
    TRY(write(p[1], block, 5000));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 4096));
    TRY(fcntl(p[0], F_SETPIPE_SZ, -1));
    TRY(write(p[0], "x", 1));
    TRY(read(p[1], &byte, 1));
    TRY(write(p[1], "x", 0));
    TRY(close(p[1]));
    out("reading what is left, then the end: %d", (int)read(p[0], block, sizeof block));
    out(" %d\n", (int)read(p[0], block, sizeof block));
    close(p[0]);

    MUST(pipe(p));
    close(p[0]);
    handle(SIGPIPE, on_pipe, 0);
    TRY(write(p[1], "x", 1));
    out("SIGPIPE came %d time(s)\n", broken);
    signal(SIGPIPE, SIG_IGN);
    TRY(write(p[1], "x", 1));
    close(p[1]);
    MUST(pipe(p));
    pid_t child = FORK({
        signal(SIGPIPE, SIG_DFL);
        close(p[0]);
        for (;;)
            write(p[1], block, 100);
    });
    close(p[1]);
    read(p[0], &byte, 1);
    close(p[0]);
    out("a writer whose reader left: %s\n", status_name(reap(child)));

    /* A writer blocked on a full pipe is woken with SIGPIPE too. */
    MUST(pipe(p));
    child = FORK({
        close(p[0]);
        signal(SIGPIPE, SIG_IGN);
        out("blocked write of 70000: %zd then ", write(p[1], block, 70000));
        out("%s\n", write(p[1], block, 1) < 0 ? errno_name(errno) : "works");
    });
    close(p[1]);
    await_state(child, "S");
    close(p[0]);
    reap(child);

    /* Writes of up to PIPE_BUF bytes are never mixed. */
    MUST(pipe(p));
    for (int i = 0; i < 3; i++)
        FORK({
            memset(block, 'a' + i, 4096);
            for (int j = 0; j < 30; j++)
                write(p[1], block, 4096);
        });
    close(p[1]);
    int mixed = 0, records = 0;
    for (;;) {
        int have = 0;
        ssize_t length;
        while (have < 4096 && (length = read(p[0], block + have, 4096 - have)) > 0)
            have += length;
        if (have < 4096)
            break;
        records++;
        for (int i = 1; i < 4096; i++)
            mixed += block[i] != block[0];
    }
    while (wait(NULL) > 0)
        ;
    out("records %d mixed %d\n", records, mixed);
    close(p[0]);

    MUST(pipe2(p, O_DIRECT));
    write(p[1], "first", 5);
    write(p[1], "second", 6);
    TRY(read(p[0], block, 100));
    TRY(read(p[0], block, 3));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    TRY(read(p[0], block, 100));
    TRY(pipe2(p, 0x77));

    MUST(mkfifo("fifo", 0600));
    TRY(open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = TRY(open("fifo", O_RDONLY | O_NONBLOCK));
    int writer = TRY(open("fifo", O_WRONLY | O_NONBLOCK));
    TRY(write(writer, "fifo", 4));
    TRY(read(reader, block, 10));
    close(writer);
    TRY(read(reader, block, 10));
    close(reader);
    child = FORK({
        int fd = open("fifo", O_WRONLY);
        write(fd, "met", 3);
    });
    reader = open("fifo", O_RDONLY);
    int length = read(reader, block, 10);
    out("both ends met: %.*s\n", length, block);
    reap(child);
    int both = TRY(open("fifo", O_RDWR));
    TRY(write(both, "x", 1));
    unlink("fifo");
    return 0;
}
