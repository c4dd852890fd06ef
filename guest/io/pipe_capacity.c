/*
 * pipe_capacity -- a pipe is a ring of pages: what fits, what merges, what poll says
 *
 * Writes are merged into the last page only if they fit whole; the capacity is changed; packets keep their borders.
 */
#include "guest.h"
#include <sys/ioctl.h>

static char buffer[1 << 20];

static void nonblocking(int fd, int on)
{
    int flags = MUST(fcntl(fd, F_GETFL));
    MUST(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static void show_poll(const char *what, int fd, int events)
{
    struct pollfd one = {fd, events, 0};
    int found = poll(&one, 1, 0);
    out("%s: poll %d revents %#x\n", what, found, one.revents);
}

static void fill(int fds[2], int size)
{
    long total = 0, result;
    int queued;

    nonblocking(fds[1], 1);
    while ((result = write(fds[1], buffer, size)) > 0)
        total += result;
    MUST(ioctl(fds[0], FIONREAD, &queued));
    out("writes of %d: %ld bytes, then %s, FIONREAD %d\n", size, total, errno_name(errno), queued);
    show_poll("full, writing end", fds[1], POLLIN | POLLOUT);
    show_poll("full, reading end", fds[0], POLLIN | POLLOUT);
}

static void drain(int fds[2])
{
    nonblocking(fds[0], 1);
    while (read(fds[0], buffer, sizeof buffer) > 0)
        ;
    nonblocking(fds[0], 0);
}

int main(void)
{
    static const int sizes[] = {1, 2, 3, 1000, 2048, 3000, 4095, 4096, 4097, 5000, 8191, 10000, 65535, 65536, 65537, 100000};
    int fds[2], queued;

    MUST(pipe(fds));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(fds, sizes[i]);
        drain(fds);
    }

    out("-- after a partial read the rest of a page takes merges\n");
    nonblocking(fds[1], 1);
    TRY(write(fds[1], buffer, 4000));
    TRY(read(fds[0], buffer, 3999));
    TRY(write(fds[1], buffer, 96));
    TRY(write(fds[1], buffer, 97));
    TRY(write(fds[1], buffer, 65536));
    TRY(read(fds[0], buffer, 1));
    TRY(read(fds[0], buffer, 96));
    TRY(write(fds[1], buffer, 4096));
    MUST(ioctl(fds[1], FIONREAD, &queued));
    out("queued %d\n", queued);
    TRY(read(fds[0], buffer, sizeof buffer));

    out("-- the capacity\n");
    TRY(fcntl(fds[0], F_GETPIPE_SZ));
    TRY(fcntl(fds[0], F_SETPIPE_SZ, 1));
    TRY(fcntl(fds[1], F_GETPIPE_SZ));
    fill(fds, 100);
    TRY(fcntl(fds[1], F_SETPIPE_SZ, 12289));
    fill(fds, 5000);
    TRY(fcntl(fds[1], F_SETPIPE_SZ, 8192));
    drain(fds);
    TRY(fcntl(fds[1], F_SETPIPE_SZ, 8192));
    TRY(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20));
    TRY(fcntl(fds[1], F_SETPIPE_SZ, -1));
    TRY(fcntl(fds[1], F_SETPIPE_SZ, 0));
    TRY(fcntl(0, F_GETPIPE_SZ) > 0);

    out("-- packets\n");
    int packets[2];
    MUST(pipe2(packets, O_DIRECT | O_NONBLOCK));
    TRY(write(packets[1], "hello", 5));
    TRY(write(packets[1], "world!", 6));
    TRY(write(packets[1], buffer, 5000));
    MUST(ioctl(packets[0], FIONREAD, &queued));
    out("queued %d\n", queued);
    TRY(read(packets[0], buffer, 3));
    TRY(read(packets[0], buffer, 100));
    TRY(read(packets[0], buffer, 10000));
    TRY(read(packets[0], buffer, 10000));
    TRY(read(packets[0], buffer, 10000));
    for (int i = 0; i < 20; i++)
        if (write(packets[1], "x", 1) != 1) {
            out("packet %d: %s\n", i, errno_name(errno));
            break;
        }

    out("-- nothing and nobody\n");
    drain(fds);
    TRY(read(fds[0], buffer, 0));
    TRY(write(fds[1], buffer, 0));
    TRY(read(fds[1], buffer, 1));
    TRY(write(fds[0], buffer, 1));
    TRY(lseek(fds[0], 0, SEEK_SET));
    TRY(pread(fds[0], buffer, 1, 0));
    TRY(pwrite(fds[1], buffer, 1, 0));
    TRY(ftruncate(fds[1], 0));
    TRY(fsync(fds[1]));
    TRY(pipe2(fds, O_APPEND));
    TRY(pipe((int *)8));
    show_poll("empty, reading end", fds[0], POLLIN);
    show_poll("empty, writing end", fds[1], POLLOUT);
    MUST(write(fds[1], "abc", 3));
    MUST(close(fds[1]));
    show_poll("writer gone, bytes left", fds[0], POLLIN);
    TRY(read(fds[0], buffer, 10));
    show_poll("writer gone", fds[0], 0);
    TRY(read(fds[0], buffer, 10));
    MUST(close(fds[0]));
    signal(SIGPIPE, SIG_IGN);
    MUST(close(packets[0]));
    show_poll("reader gone", packets[1], POLLOUT);
    TRY(write(packets[1], "x", 1));
    return wrong;
}
