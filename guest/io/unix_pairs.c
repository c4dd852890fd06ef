/*
 * unix_pairs -- socketpair: streams, datagrams, packets, shutdown, files and credentials sent along
 */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static char buffer[300000];

static void show_poll(const char *what, int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&one, 1, 0);
    out("%s: revents %#x\n", what, one.revents);
}

static void fills(int type)
{
    static const int sizes[] = {1, 192, 193, 1000, 4000, 16064, 16065, 60000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int pair[2], count = 0;
        long total = 0, sent;
        MUST(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair));
        while ((sent = write(pair[0], buffer, sizes[i])) > 0) {
            total += sent;
            count++;
        }
        out("%d writes of %d: %ld, then %s\n", count, sizes[i], total, errno_name(errno));
        show_poll("full", pair[0]);
        close(pair[0]);
        close(pair[1]);
    }
}

static void streams(void)
{
    int s[2], queued;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    show_poll("new", s[0]);
    MUST(write(s[0], "hello", 5));
    MUST(write(s[0], "wor", 3));
    MUST(ioctl(s[1], FIONREAD, &queued));
    out("queued %d\n", queued);
    TRY(recv(s[1], buffer, 3, MSG_PEEK));
    TRY(recv(s[1], buffer, 6, 0));
    TRY(recv(s[1], buffer, 100, MSG_DONTWAIT));
    TRY(recv(s[1], buffer, 100, MSG_DONTWAIT));
    TRY(send(s[1], "", 0, 0));
    show_poll("nothing", s[0]);
    pid_t child = FORK({
        for (int i = 0; i < 3; i++) {
            sleep_ms(10);
            write(s[0], "abc", 3);
        }
    });
    TRY(recv(s[1], buffer, 8, MSG_WAITALL));
    reap(child);
    TRY(read(s[1], buffer, 8));
    child = FORK({
        long total = 0;
        close(s[0]);
        while (total < 300000) {
            long got = read(s[1], buffer, sizeof buffer);
            if (got <= 0)
                break;
            total += got;
        }
        _exit(total == 300000 ? 5 : 6);
    });
    TRY(write(s[0], buffer, 300000));
    out("%s\n", status_name(reap(child)));
    TRY(shutdown(s[0], SHUT_WR));
    show_poll("shut down, other side", s[1]);
    show_poll("shut down, own side", s[0]);
    TRY(read(s[1], buffer, 1));
    TRY(send(s[0], "x", 1, MSG_NOSIGNAL));
    TRY(write(s[1], "back", 4));
    close(s[1]);
    show_poll("peer closed", s[0]);
    TRY(read(s[0], buffer, 10));
    TRY(read(s[0], buffer, 10));
    TRY(send(s[0], "x", 1, MSG_NOSIGNAL));
    child = FORK(write(s[0], "x", 1));
    out("%s\n", status_name(reap(child)));
    close(s[0]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(write(s[0], "unread", 6));
    close(s[1]);
    show_poll("reset", s[0]);
    TRY(send(s[0], "x", 1, MSG_NOSIGNAL)); /* not the reset, which the first read tells of */
    TRY(read(s[0], buffer, 10));
    TRY(read(s[0], buffer, 10));
    close(s[0]);
}

static void datagrams(int type)
{
    int s[2], queued;
    MUST(socketpair(AF_UNIX, type, 0, s));
    MUST(write(s[0], "abc", 3));
    MUST(write(s[0], "defgh", 5));
    MUST(send(s[0], "", 0, 0));
    MUST(ioctl(s[1], FIONREAD, &queued));
    out("first %d\n", queued);
    TRY(read(s[1], buffer, 2));
    TRY(recv(s[1], buffer, 2, MSG_TRUNC | MSG_PEEK));
    struct iovec into = {buffer, 3};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1};
    TRY(recvmsg(s[1], &message, 0));
    out("flags %#x\n", message.msg_flags);
    TRY(read(s[1], buffer, 10));
    TRY(recv(s[1], buffer, 10, MSG_DONTWAIT));
    TRY(send(s[0], buffer, sizeof buffer, MSG_DONTWAIT));
    show_poll("open", s[0]);
    close(s[1]);
    show_poll("peer closed", s[0]);
    TRY(send(s[0], "x", 1, MSG_NOSIGNAL));
    TRY(send(s[0], "x", 1, MSG_NOSIGNAL));
    TRY(recv(s[0], buffer, 10, MSG_DONTWAIT));
    close(s[0]);
}

static void rights(void)
{
    int s[2], p[2], received = -1;
    char control[256];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(pipe(p));
    struct iovec piece = {"F", 1};
    memset(control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(8)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(8);
    memcpy(CMSG_DATA(head), p, 8);
    MUST(write(s[0], "before", 6));
    TRY(sendmsg(s[0], &message, 0));
    MUST(write(s[0], "after", 5));
    close(p[0]);
    struct iovec into = {buffer, 100};
    memset(control, 0, sizeof control);
    message = (struct msghdr){.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    TRY(recvmsg(s[1], &message, MSG_CMSG_CLOEXEC));
    out("flags %#x control %d\n", message.msg_flags & ~MSG_CMSG_CLOEXEC, (int)message.msg_controllen);
    head = CMSG_FIRSTHDR(&message);
    if (head) {
        int got[2];
        memcpy(got, CMSG_DATA(head), 8);
        received = got[0];
        out("length %d type %d cloexec %d\n", (int)head->cmsg_len, head->cmsg_type, (int)fcntl(received, F_GETFD));
        close(got[1]);
    }
    message.msg_controllen = sizeof control;
    TRY(recvmsg(s[1], &message, 0));
    MUST(write(p[1], "via", 3));
    TRY(read(received, buffer, 10));
    close(p[1]);
    TRY(read(received, buffer, 10));

    out("-- no room for the control data\n");
    MUST(pipe(p));
    message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(8)};
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(8);
    memcpy(CMSG_DATA(head), p, 8);
    MUST(sendmsg(s[0], &message, 0));
    MUST(sendmsg(s[0], &message, 0));
    message = (struct msghdr){.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(4)};
    TRY(recvmsg(s[1], &message, 0));
    out("flags %#x control %d\n", message.msg_flags, (int)message.msg_controllen);
    message.msg_control = NULL;
    message.msg_controllen = 0;
    TRY(recvmsg(s[1], &message, 0));
    out("flags %#x\n", message.msg_flags);
    message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4)};
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_len = CMSG_LEN(4);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    int bad = 99;
    memcpy(CMSG_DATA(head), &bad, 4);
    TRY(sendmsg(s[0], &message, 0));

    out("-- credentials\n");
    int on = 1;
    MUST(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    MUST(write(s[0], "who", 3));
    message = (struct msghdr){.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    TRY(recvmsg(s[1], &message, 0));
    head = CMSG_FIRSTHDR(&message);
    struct ucred who;
    memcpy(&who, CMSG_DATA(head), sizeof who);
    out("type %d own pid %d uid %d\n", head->cmsg_type, who.pid == getpid(), who.uid == getuid());
    socklen_t length = sizeof who;
    MUST(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
    out("peer pid %d uid %d\n", who.pid == getpid(), who.uid == geteuid());
}

static void options(void)
{
    int s[2], value;
    socklen_t length;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    static const int names[] = {SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_REUSEADDR, SO_KEEPALIVE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        length = sizeof value;
        value = -1;
        int result = getsockopt(s[0], SOL_SOCKET, names[i], &value, &length);
        out("option %d: %s %d\n", names[i], result ? errno_name(errno) : "ok", value);
    }
    value = 1;
    TRY(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
    length = sizeof value;
    MUST(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &value, &length));
    out("small buffer %d\n", value);
    TRY(setsockopt(s[0], SOL_SOCKET, 9999, &value, sizeof value));
    TRY(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &value, 2));
    struct timeval limit = {0, 30000};
    TRY(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    long start = now_ms();
    TRY(read(s[0], buffer, 1));
    expect(now_ms() - start >= 29, "SO_RCVTIMEO");
    struct stat about;
    MUST(fstat(s[0], &about));
    out("mode %o\n", about.st_mode);
    TRY(lseek(s[0], 0, SEEK_SET));
    int none[2];
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 5, none));
    TRY(socketpair(AF_UNIX, 77, 0, none));
    TRY(socketpair(99, SOCK_STREAM, 0, none) == -1 && errno == EAFNOSUPPORT);
    TRY(listen(1, 1));
    TRY(shutdown(s[0], 9));
}

int main(void)
{
    fills(SOCK_STREAM);
    fills(SOCK_DGRAM);
    fills(SOCK_SEQPACKET);
    streams();
    out("-- datagrams\n");
    datagrams(SOCK_DGRAM);
    out("-- packets\n");
    datagrams(SOCK_SEQPACKET);
    out("-- files\n");
    rights();
    out("-- options\n");
    options();
    return wrong;
}
