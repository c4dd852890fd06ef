/*
 * udp -- datagrams: whole, cut, lost, refused, from whom and to whom
 */
#include "net.h"

static int made(int family)
{
    return MUST(socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0));
}

static ssize_t send_to(int fd, const char *data, size_t size, const char *address, int port)
{
    if (strchr(address, ':')) {
        struct sockaddr_in6 name = at6(address, port);
        return sendto(fd, data, size, 0, (struct sockaddr *)&name, sizeof name);
    }
    struct sockaddr_in name = at(address, port);
    return sendto(fd, data, size, 0, (struct sockaddr *)&name, sizeof name);
}

/* Receive one datagram with all that comes with it. */
static void take(const char *what, int fd, size_t space, int flags)
{
    char data[200], control[256], text[64];
    struct sockaddr_storage from;
    struct iovec vector = {data, space};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, flags);
    if (got < 0) {
        out("%s: %s\n", what, errno_name(errno));
        return;
    }
    if (from.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, text, sizeof text);
    out("%s: %zd bytes from %s (%d), flags %#x", what, got, text, (int)message.msg_namelen, message.msg_flags);
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        out(", control %d/%d of %zu", each->cmsg_level, each->cmsg_type, (size_t)each->cmsg_len);
        if (each->cmsg_level == SOL_SOCKET)
            continue;
        for (unsigned i = 0; i < each->cmsg_len - CMSG_LEN(0); i++)
            out("%s%02x", i ? "" : " ", CMSG_DATA(each)[i]);
    }
    out("\n");
}

int main(void)
{
    static char big[70000];
    int server = made(AF_INET);
    MUST(bind_to(server, "127.0.0.1", 0));
    int port = port_of(server);

    out("-- fresh\n");
    int fd = made(AF_INET);
    out("events %#x\n", events(fd));
    TRY(send(fd, "x", 1, 0));
    take("fresh", fd, 10, 0);
    out("peer %s\n", name_of(fd, 1));
    TRY(listen(fd, 1));
    TRY(accept(fd, NULL, NULL));
    TRY(shutdown(fd, SHUT_WR));
    TRY(send_to(fd, "x", 1, "127.0.0.1", port));
    close(fd);

    out("-- to and from\n");
    fd = made(AF_INET);
    TRY(send_to(fd, "hello", 5, "127.0.0.1", port));
    out("server: events %#x\n", events(server));
    take("peek", server, 100, MSG_PEEK);
    take("cut", server, 3, 0);
    take("nothing", server, 3, 0);
    TRY(send_to(fd, "hello", 5, "127.0.0.1", port));
    take("true size", server, 3, MSG_TRUNC);
    TRY(send_to(fd, "", 0, "127.0.0.1", port));
    out("server: events %#x\n", events(server));
    take("empty", server, 3, 0);
    TRY(send_to(fd, "x", 1, "127.0.0.1", 0));
    TRY(send_to(fd, big, 65507, "127.0.0.1", port));
    take("big", server, 200, MSG_TRUNC);
    TRY(send_to(fd, big, 65508, "127.0.0.1", port));
    TRY(send_to(fd, big, 70000, "127.0.0.1", port));
    TRY(send_to(fd, "x", 1, "127.255.255.255", port));
    MUST(set_int(fd, SOL_SOCKET, SO_BROADCAST, 1));
    TRY(send_to(fd, "x", 1, "127.255.255.255", port));
    take("a broadcast is not for one address", server, 3, 0);
    struct sockaddr_in name = at("127.0.0.1", port);
    TRY(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, 8));
    TRY(sendto(fd, "x", 1, MSG_OOB, (struct sockaddr *)&name, sizeof name));
    name.sin_family = AF_UNIX;
    TRY(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof name));
    name.sin_family = AF_UNSPEC;
    TRY(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof name));
    take("unspecified family", server, 3, 0);

    out("-- nobody there\n");
    int unused = made(AF_INET);
    MUST(bind_to(unused, "127.0.0.1", 0));
    int nobody = port_of(unused);
    close(unused);
    TRY(send_to(fd, "x", 1, "127.0.0.1", nobody));
    out("events %#x\n", events(fd));
    TRY(connect_to(fd, "127.0.0.1", nobody));
    TRY(send(fd, "x", 1, 0));
    out("events %#x\n", events_soon(fd, POLLERR));
    TRY(send(fd, "x", 1, 0));
    out("events %#x\n", events(fd));
    TRY(send(fd, "x", 1, 0));
    events_soon(fd, POLLERR);
    take("refused", fd, 3, 0);
    take("once", fd, 3, 0);
    TRY(send(fd, "x", 1, 0));
    events_soon(fd, POLLERR);
    out("SO_ERROR %s\n", errno_name(get_int(fd, SOL_SOCKET, SO_ERROR)));

    out("-- connected\n");
    TRY(connect_to(fd, "127.0.0.1", port));
    out("names %s %s\n", name_of(fd, 0), name_of(fd, 1));
    TRY(connect_to(server, "127.0.0.1", port_of(fd)));
    int third = made(AF_INET);
    TRY(send_to(third, "third", 5, "127.0.0.1", port));
    TRY(send(fd, "second", 6, 0));
    take("only the peer", server, 20, 0);
    take("only the peer", server, 20, 0);
    TRY(send_to(fd, "x", 1, "127.0.0.1", port_of(third)));
    take("another destination", third, 20, 0);
    TRY(disconnect(fd));
    out("names %s %s\n", name_of(fd, 0), name_of(fd, 1));
    TRY(send(fd, "x", 1, 0));
    TRY(shutdown(server, SHUT_RD));
    out("events %#x\n", events(server));
    take("shut down", server, 10, 0);
    MUST(fcntl(server, F_SETFL, 0));
    TRY(recv(server, big, 10, 0));
    TRY(shutdown(server, SHUT_RDWR));
    out("events %#x\n", events(server));
    TRY(send(server, "x", 1, 0));
    close(fd), close(third), close(server);

    out("-- IPv6\n");
    server = made(AF_INET6);
    MUST(bind_to6(server, "::", 0));
    port = port_of(server);
    fd = made(AF_INET6);
    TRY(send_to(fd, "six", 3, "::1", port));
    take("six", server, 10, 0);
    third = made(AF_INET);
    TRY(send_to(third, "four", 4, "127.0.0.1", port));
    take("four", server, 10, 0);
    TRY(send_to(fd, "mapped", 6, "::ffff:127.0.0.1", port));
    take("mapped", server, 10, 0);
    TRY(send_to(fd, "any", 3, "::", port));
    take("any", server, 10, 0);
    MUST(set_int(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
    MUST(set_int(server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
    TRY(send_to(fd, "info", 4, "::1", port));
    take("with information", server, 10, 0);
    TRY(send_to(third, "info", 4, "127.0.0.7", port));
    take("with information", server, 10, 0);
    close(fd), close(third), close(server);

    out("-- information about datagrams\n");
    server = made(AF_INET);
    MUST(bind_to(server, "0.0.0.0", 0));
    port = port_of(server);
    MUST(set_int(server, IPPROTO_IP, IP_PKTINFO, 1));
    MUST(set_int(server, IPPROTO_IP, IP_RECVTTL, 1));
    MUST(set_int(server, IPPROTO_IP, IP_RECVTOS, 1));
    MUST(set_int(server, SOL_SOCKET, SO_TIMESTAMP, 1));
    fd = made(AF_INET);
    MUST(set_int(fd, IPPROTO_IP, IP_TOS, 0x10));
    MUST(set_int(fd, IPPROTO_IP, IP_TTL, 7));
    TRY(send_to(fd, "info", 4, "127.0.0.3", port));
    int size = 0;
    MUST(ioctl(server, FIONREAD, &size));
    out("next: %d\n", size);
    take("info", server, 10, 0);
    TRY(send_to(fd, "all", 3, "127.255.255.255", port));
    MUST(set_int(fd, SOL_SOCKET, SO_BROADCAST, 1));
    TRY(send_to(fd, "all", 3, "127.255.255.255", port));
    take("broadcast", server, 10, 0);

    out("-- a full buffer\n");
    long sent = 0, received = 0;
    while (sent < 3000 && send_to(fd, "x", 1, "127.0.0.1", port) == 1)
        sent++;
    while (recv(server, big, 10, 0) == 1)
        received++;
    out("sent %ld\n", sent);
    expect(received > 100 && received < 1000, "some were lost");

    out("-- who hears it\n");
    int one = made(AF_INET), two = made(AF_INET);
    MUST(set_int(one, SOL_SOCKET, SO_REUSEADDR, 1));
    MUST(set_int(two, SOL_SOCKET, SO_REUSEADDR, 1));
    MUST(bind_to(one, "0.0.0.0", 0));
    TRY(bind_to(two, "127.0.0.1", port_of(one)));
    TRY(send_to(fd, "x", 1, "127.0.0.1", port_of(one)));
    out("any %#x, exact %#x\n", events(one), events(two));
    take("exact", two, 1, 0);
    TRY(send_to(fd, "x", 1, "127.0.0.2", port_of(one)));
    out("any %#x, exact %#x\n", events(one), events(two));
    return 0;
}
