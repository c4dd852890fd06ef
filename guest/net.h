/*
 * net.h -- what the guest programs about sockets share: loopback addresses, connected pairs, states and events.
 */
#ifndef NET_H
#define NET_H

#include "guest.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

__attribute__((unused)) static struct sockaddr_in at(const char *address, int port)
{
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &result.sin_addr);
    return result;
}

__attribute__((unused)) static struct sockaddr_in6 at6(const char *address, int port)
{
    struct sockaddr_in6 result = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, address, &result.sin6_addr);
    return result;
}

__attribute__((unused)) static int bind_to(int fd, const char *address, int port)
{
    struct sockaddr_in name = at(address, port);
    return bind(fd, (struct sockaddr *)&name, sizeof name);
}

__attribute__((unused)) static int bind_to6(int fd, const char *address, int port)
{
    struct sockaddr_in6 name = at6(address, port);
    return bind(fd, (struct sockaddr *)&name, sizeof name);
}

__attribute__((unused)) static int connect_to(int fd, const char *address, int port)
{
    struct sockaddr_in name = at(address, port);
    return connect(fd, (struct sockaddr *)&name, sizeof name);
}

__attribute__((unused)) static int connect_to6(int fd, const char *address, int port)
{
    struct sockaddr_in6 name = at6(address, port);
    return connect(fd, (struct sockaddr *)&name, sizeof name);
}

__attribute__((unused)) static int disconnect(int fd)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(fd, &nobody, sizeof nobody);
}

__attribute__((unused)) static int port_of(int fd)
{
    struct sockaddr_in6 name;
    socklen_t size = sizeof name;
    MUST(getsockname(fd, (struct sockaddr *)&name, &size));
    return ntohs(name.sin6_port);
}

/* The address of one end, without the port: "127.0.0.1", or the error. */
__attribute__((unused)) static const char *name_of(int fd, int peer)
{
    static char text[2][64];
    static int turn;
    char *result = text[turn ^= 1];
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&name, &size) == -1)
        return errno_name(errno);
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, result, 64);
    else
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, result, 64);
    return result;
}

/* A TCP socket that listens on 127.0.0.1. */
__attribute__((unused)) static int listener(int backlog)
{
    int fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(bind_to(fd, "127.0.0.1", 0));
    MUST(listen(fd, backlog));
    return fd;
}

/* Both ends of a new connection: ends[0] connected, ends[1] was accepted. */
__attribute__((unused)) static void tcp_pair(int ends[2])
{
    int server = listener(1);
    ends[0] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(connect_to(ends[0], "127.0.0.1", port_of(server)));
    ends[1] = MUST(accept4(server, NULL, NULL, SOCK_CLOEXEC));
    close(server);
}

__attribute__((unused)) static int events(int fd)
{
    struct pollfd poller = {.fd = fd, .events = 0x7fff};
    return poll(&poller, 1, 0) == 1 ? poller.revents : 0;
}

/* What is ready, after it has had time to become so. */
__attribute__((unused)) static int events_soon(int fd, int wanted)
{
    struct pollfd poller = {.fd = fd, .events = wanted};
    poll(&poller, 1, 2000);
    return events(fd);
}

__attribute__((unused)) static int get_int(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    if (getsockopt(fd, level, option, &value, &size) == -1)
        return -errno;
    return value;
}

__attribute__((unused)) static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

__attribute__((unused)) static const char *tcp_state(int fd)
{
    static const char *names[] = {"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "FIN_WAIT", "TIME_WAIT",
                                  "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"};
    unsigned char info[256];
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == -1)
        return errno_name(errno);
    return info[0] < 12 ? names[info[0]] : "?"; /* FIN_WAIT1 or 2 depends on when the acknowledgement comes */
}

__attribute__((unused)) static void look(const char *what, int fd)
{
    out("%s: %s, events %#x, SO_ERROR %s\n", what, tcp_state(fd), events(fd), errno_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
}

#endif
