/*
 * tcp_data -- bytes over TCP: much of them, with a window, peeked at, waited for, urgent, from a file, and time limits
 */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>

#include "net.h"

enum { LENGTH = 3000000 };

static unsigned char pattern(long at)
{
    return (unsigned char)(at * 7 + at / 251);
}

static void write_much(int fd)
{
    static unsigned char data[70001];
    for (long done = 0; done < LENGTH;) {
        long piece = LENGTH - done < (long)sizeof data ? LENGTH - done : (long)sizeof data;
        for (long i = 0; i < piece; i++)
            data[i] = pattern(done + i);
        for (long sent = 0; sent < piece;)
            sent += MUST(write(fd, data + sent, piece - sent));
        done += piece;
    }
}

static void read_much(int fd)
{
    static unsigned char data[9001];
    long done = 0, bad = 0;
    for (;;) {
        long got = MUST(read(fd, data, sizeof data));
        if (!got)
            break;
        for (long i = 0; i < got; i++)
            bad += data[i] != pattern(done + i);
        done += got;
    }
    out("received %ld bytes, %ld wrong\n", done, bad);
}

static int queued(int fd)
{
    int value = -1;
    return ioctl(fd, FIONREAD, &value) ? -errno : value;
}

static void nothing(int number)
{
    (void)number;
}

int main(void)
{
    int ends[2];
    char text[64];

    out("-- much, to another process\n");
    tcp_pair(ends);
    pid_t child = FORK(close(ends[0]); write_much(ends[1]); shutdown(ends[1], SHUT_WR); read_much(ends[1]));
    close(ends[1]);
    read_much(ends[0]);
    write_much(ends[0]);
    close(ends[0]);
    out("writer %s\n", status_name(reap(child)));

    out("-- a reader that does not read\n");
    tcp_pair(ends);
    MUST(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    long filled = 0;
    for (;;) {
        ssize_t sent = write(ends[0], text, sizeof text * 0 + 64);
        if (sent < 0) {
            out("write %s\n", errno_name(errno));
            break;
        }
        filled += sent;
    }
    expect(filled > 65536, "a window of more than 64 KiB");
    out("events %#x\n", events(ends[0]));
    child = FORK(close(ends[0]); while (read(ends[1], (char[65536]){0}, 65536) > 0););
    close(ends[1]);
    out("events %#x\n", events_soon(ends[0], POLLOUT) & POLLOUT);
    close(ends[0]);
    out("reader %s\n", status_name(reap(child)));

    out("-- closed with much on the way\n");
    tcp_pair(ends);
    child = FORK(close(ends[1]); write_much(ends[0]));
    close(ends[0]);
    sleep_ms(5);
    read_much(ends[1]);
    close(ends[1]);
    reap(child);

    out("-- flags\n");
    tcp_pair(ends);
    MUST(send(ends[0], "abcdef", 6, 0));
    sleep_ms(5);
    out("queued %d\n", queued(ends[1]));
    out("peek %zd\n", recv(ends[1], text, 4, MSG_PEEK));
    out("truncated %zd\n", recv(ends[1], NULL, 2, MSG_TRUNC));
    out("waited for %zd: %.4s\n", recv(ends[1], text, 4, MSG_WAITALL), text);
    TRY(recv(ends[1], text, 1, MSG_DONTWAIT));
    TRY(recv(ends[1], text, 0, MSG_DONTWAIT));
    TRY(send(ends[0], text, 0, 0));
    TRY(recv(ends[1], text, 1, MSG_DONTWAIT));
    child = FORK(for (int i = 0; i < 4; i++) { sleep_ms(2); send(ends[0], "xyz", 3, 0); });
    out("all of %zd\n", recv(ends[1], text, 12, MSG_WAITALL));
    reap(child);
    struct sockaddr_in name = at("127.0.0.1", 9);
    TRY(sendto(ends[0], "to", 2, 0, (struct sockaddr *)&name, sizeof name));
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    sleep_ms(5);
    out("recvfrom %zd", recvfrom(ends[1], text, sizeof text, 0, (struct sockaddr *)&from, &size));
    out(", address of %d bytes\n", (int)size);

    out("-- SO_RCVLOWAT\n");
    MUST(set_int(ends[1], SOL_SOCKET, SO_RCVLOWAT, 5));
    MUST(send(ends[0], "123", 3, 0));
    sleep_ms(5);
    out("events %#x\n", events(ends[1]));
    TRY(recv(ends[1], text, 10, MSG_PEEK | MSG_DONTWAIT));
    child = FORK(sleep_ms(5); send(ends[0], "45678", 5, 0)); /* a reader that has taken 3 bytes is woken for 5 more only */
    TRY(recv(ends[1], text, 10, 0));
    reap(child);
    MUST(set_int(ends[1], SOL_SOCKET, SO_RCVLOWAT, 1));

    out("-- time limits and signals\n");
    struct timeval limit = {0, 20000};
    MUST(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    TRY(recv(ends[1], text, 1, 0));
    handle(SIGALRM, nothing, SA_RESTART);
    struct itimerval soon = {{0, 0}, {0, 5000}};
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(recv(ends[1], text, 1, 0));
    limit.tv_usec = 0;
    MUST(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    child = FORK(sleep_ms(30); send(ends[0], "!", 1, 0));
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(recv(ends[1], text, 1, 0));
    reap(child);
    handle(SIGALRM, nothing, 0);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(recv(ends[1], text, 1, 0));

    out("-- urgent\n");
    MUST(send(ends[0], "before", 6, 0));
    MUST(send(ends[0], "!", 1, MSG_OOB));
    MUST(send(ends[0], "after", 5, 0));
    sleep_ms(5);
    out("events %#x, queued %d\n", events(ends[1]), queued(ends[1]));
    int mark = -1;
    MUST(ioctl(ends[1], SIOCATMARK, &mark));
    out("at mark: %d\n", mark);
    ssize_t got = recv(ends[1], text, sizeof text, 0);
    out("read %zd: %.*s\n", got, (int)got, text);
    MUST(ioctl(ends[1], SIOCATMARK, &mark));
    out("at mark: %d\n", mark);
    got = recv(ends[1], text, 1, MSG_OOB | MSG_PEEK);
    out("urgent %zd %c\n", got, text[0]);
    got = recv(ends[1], text, 1, MSG_OOB);
    out("urgent %zd %c\n", got, text[0]);
    TRY(recv(ends[1], text, 1, MSG_OOB));
    got = recv(ends[1], text, sizeof text, 0);
    out("read %zd: %.*s\n", got, (int)got, text);
    MUST(set_int(ends[1], SOL_SOCKET, SO_OOBINLINE, 1));
    MUST(send(ends[0], "ab!", 3, MSG_OOB));
    sleep_ms(5);
    out("queued %d\n", queued(ends[1]));
    got = recv(ends[1], text, sizeof text, 0);
    out("read %zd\n", got);
    got = recv(ends[1], text, sizeof text, 0);
    out("read %zd\n", got);
    TRY(recv(ends[1], text, 1, MSG_OOB));

    out("-- from a file, through a pipe\n");
    int file = MUST(open("data", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(write(file, "contents of a file", 18));
    MUST(lseek(file, 0, SEEK_SET));
    TRY(sendfile(ends[0], file, NULL, 100));
    sleep_ms(5);
    int channel[2];
    MUST(pipe(channel));
    TRY(splice(ends[1], NULL, channel[1], NULL, 8, 0));
    TRY(splice(channel[0], NULL, ends[0], NULL, 8, 0));
    sleep_ms(5);
    got = recv(ends[1], text, 18, MSG_WAITALL);
    out("read %zd: %.*s\n", got, (int)got, text);
    unlink("data");
    close(ends[0]);
    close(ends[1]);

    out("-- epoll and select\n");
    tcp_pair(ends);
    int poller = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    MUST(epoll_ctl(poller, EPOLL_CTL_ADD, ends[1], &event));
    TRY(epoll_wait(poller, &event, 1, 0));
    out("events %#x\n", event.events);
    TRY(epoll_wait(poller, &event, 1, 0));
    MUST(send(ends[0], "x", 1, 0));
    TRY(epoll_wait(poller, &event, 1, 1000));
    out("events %#x\n", event.events);
    MUST(shutdown(ends[0], SHUT_WR));
    TRY(epoll_wait(poller, &event, 1, 1000));
    out("events %#x\n", event.events);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(ends[1], &readable);
    TRY(select(ends[1] + 1, &readable, NULL, NULL, NULL));
    return 0;
}
