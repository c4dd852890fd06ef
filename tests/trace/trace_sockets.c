/* Sockets: addresses, messages with descriptors, options. */
#include "trace.h"

int main(void)
{
    int pair[2], number = 1;
    char buf[100];
    struct sockaddr_un path = {AF_UNIX, "/tmp/sock"}, abstract = {AF_UNIX, "\0abs"};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(0x7f000001)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = 100;

    CALL(socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    CALL(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, 0L);
    CALL(socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CALL(socket, 99, 99, 99);
    CALL(bind, -1, &path, sizeof path);
    CALL(bind, -1, &abstract, 6);
    CALL(connect, -1, &v4, sizeof v4);
    CALL(connect, -1, &v6, sizeof v6);
    CALL(bind, -1, &path, 2);
    CALL(bind, -1, 0L, 0);
    CALL(listen, -1, 5);
    CALL(accept, -1, 0L, 0L);
    CALL(accept4, -1, buf, &length, SOCK_CLOEXEC);
    CALL(getsockname, 3, buf, &length);
    CALL(getpeername, -1, buf, &length);
    CALL(sendto, 4, "hello", 5L, MSG_DONTWAIT | MSG_NOSIGNAL, 0L, 0);
    CALL(recvfrom, 3, buf, 100L, 0, 0L, 0L);
    CALL(sendto, -1, "hello", 5L, 0, &v4, sizeof v4);
    CALL(recvfrom, -1, buf, 100L, MSG_PEEK, buf, &length);
    CALL(shutdown, 3, SHUT_WR);
    struct iovec vector = {"data", 4};
    union { char bytes[CMSG_SPACE(4)]; struct cmsghdr header; } control = {{0}};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(4);
    CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    CALL(sendmsg, pair[0], &message, 0);
    vector.iov_base = buf;
    vector.iov_len = 50;
    memset(&control, 0, sizeof control);
    CALL(recvmsg, pair[1], &message, 0);
    CALL(recvmsg, -1, &message, 0);
    vector.iov_len = 4;
    message.msg_name = &path;
    message.msg_namelen = sizeof path;
    message.msg_controllen = 0;
    CALL(sendmsg, -1, &message, MSG_OOB);
    length = 4;
    CALL(setsockopt, pair[0], SOL_SOCKET, SO_REUSEADDR, &number, 4);
    CALL(getsockopt, pair[0], SOL_SOCKET, SO_TYPE, &number, &length);
    CALL(getsockopt, pair[0], SOL_SOCKET, SO_ERROR, &number, &length);
    length = 12;
    CALL(getsockopt, pair[0], SOL_SOCKET, SO_PEERCRED, buf, &length);
    CALL(getsockopt, -1, SOL_SOCKET, SO_SNDBUF, &number, &length);
    return 0;
}
