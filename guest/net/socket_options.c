/*
 * socket_options -- what options of sockets are at first, which values they take, and what is refused
 */
#include <netinet/udp.h>

#include "net.h"

#ifndef SO_INCOMING_CPU
#define SO_INCOMING_CPU 49
#endif

static void show(int fd, const char *what, int level, int first, int last)
{
    for (int option = first; option <= last; option++) {
        unsigned char value[64];
        socklen_t size = sizeof value;
        if (getsockopt(fd, level, option, value, &size) == -1) {
            if (errno != ENOPROTOOPT)
                out("%s %d: %s\n", what, option, errno_name(errno));
            continue;
        }
        out("%s %d:", what, option);
        for (unsigned i = 0; i < size && i < 16; i++)
            out(" %02x", value[i]);
        out("\n");
    }
}

static void set(int fd, int level, int option, int value)
{
    int result = set_int(fd, level, option, value);
    int error = errno;
    out("set %d/%d to %d: %s, is %d\n", level, option, value, result ? errno_name(error) : "0", get_int(fd, level, option));
}

int main(void)
{
    static const struct {
        const char *name;
        int family, type, protocol;
    } kinds[] = {
        {"tcp", AF_INET, SOCK_STREAM, 0},  {"udp", AF_INET, SOCK_DGRAM, 0},   {"tcp6", AF_INET6, SOCK_STREAM, 0},
        {"udp6", AF_INET6, SOCK_DGRAM, 0}, {"unix", AF_UNIX, SOCK_STREAM, 0},
    };
    static const int numbers[] = {0, 1, 2, -1, 255, 256, 100000};

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int fd = MUST(socket(kinds[i].family, kinds[i].type, kinds[i].protocol));
        out("-- %s\n", kinds[i].name);
        show(fd, "socket", SOL_SOCKET, 1, 15);
        show(fd, "socket", SOL_SOCKET, SO_PEERCRED, 28);
        show(fd, "socket", SOL_SOCKET, SO_ACCEPTCONN, SO_ACCEPTCONN);
        show(fd, "socket", SOL_SOCKET, 38, 41);
        show(fd, "socket", SOL_SOCKET, 43, SO_INCOMING_CPU);
        show(fd, "ip", IPPROTO_IP, IP_TOS, IP_HDRINCL);
        show(fd, "ip", IPPROTO_IP, IP_ROUTER_ALERT, IP_PKTINFO);
        show(fd, "ip", IPPROTO_IP, IP_MTU_DISCOVER, IP_RECVTOS);
        show(fd, "ip", IPPROTO_IP, 18, 26);
        show(fd, "ip", IPPROTO_IP, 33, 34);
        show(fd, "tcp", IPPROTO_TCP, 1, 10);
        show(fd, "tcp", IPPROTO_TCP, 12, 12);
        show(fd, "tcp", IPPROTO_TCP, 16, 18);
        show(fd, "udp", IPPROTO_UDP, 100, 104);
        show(fd, "ipv6", IPPROTO_IPV6, 16, 19);
        show(fd, "ipv6", IPPROTO_IPV6, 23, 23);
        show(fd, "ipv6", IPPROTO_IPV6, 25, 26);
        show(fd, "ipv6", IPPROTO_IPV6, 49, 51);
        show(fd, "ipv6", IPPROTO_IPV6, 66, 67);
        show(fd, "nothing", 200, 1, 2);
        close(fd);
    }

    static const int options[][2] = {
        {SOL_SOCKET, SO_REUSEADDR},   {SOL_SOCKET, SO_KEEPALIVE},    {SOL_SOCKET, SO_REUSEPORT},  {SOL_SOCKET, SO_TYPE},
        {SOL_SOCKET, SO_ERROR},       {SOL_SOCKET, SO_RCVLOWAT},     {SOL_SOCKET, SO_SNDLOWAT},   {SOL_SOCKET, SO_BROADCAST},
        {SOL_SOCKET, 1000},           {IPPROTO_IP, IP_TTL},          {IPPROTO_IP, IP_TOS},        {IPPROTO_IP, IP_MTU_DISCOVER},
        {IPPROTO_IP, IP_PKTINFO},     {IPPROTO_IP, 1000},            {IPPROTO_TCP, TCP_NODELAY},  {IPPROTO_TCP, TCP_KEEPIDLE},
        {IPPROTO_TCP, TCP_KEEPCNT},   {IPPROTO_TCP, TCP_SYNCNT},     {IPPROTO_TCP, TCP_MAXSEG},   {IPPROTO_TCP, TCP_INFO},
        {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, 1000},        {IPPROTO_IPV6, IPV6_V6ONLY}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
        {200, 1},
    };
    for (int six = 0; six < 2; six++) {
        out("-- setting, %s\n", six ? "IPv6" : "IPv4");
        int fd = MUST(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
            for (unsigned j = 0; j < sizeof numbers / sizeof *numbers; j++)
                if (options[i][1] != SO_RCVLOWAT || options[i][0] != SOL_SOCKET || numbers[j] >= 0)
                    set(fd, options[i][0], options[i][1], numbers[j]);
        close(fd);
    }

    out("-- sizes\n");
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0)), value = 1;
    unsigned char byte = 1;
    TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &byte, 1));
    TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, -1));
    TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    TRY(setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, 4));
    TRY(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, 4));
    TRY(setsockopt(fd, IPPROTO_IP, IP_TTL, &byte, 1));
    TRY(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &byte, 1));
    socklen_t size = 1;
    TRY(getsockopt(fd, IPPROTO_IP, IP_TTL, &byte, &size));
    out("size %d, value %d\n", (int)size, byte);
    size = 2;
    TRY(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
    out("size %d\n", (int)size);
    size = -1;
    TRY(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
    TRY(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, NULL));
    size = 4;
    TRY(getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &size));
    struct timeval limit = {1, 1000000};
    TRY(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    char algorithm[16] = "none such";
    TRY(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, 9));
    TRY(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
    size = sizeof algorithm;
    TRY(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, algorithm, &size));
    out("%d %s\n", (int)size, algorithm);
    TRY(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nodevice9", 9));

    out("-- inherited by what is accepted\n");
    int server = listener(1);
    MUST(set_int(server, SOL_SOCKET, SO_KEEPALIVE, 1));
    MUST(set_int(server, IPPROTO_TCP, TCP_NODELAY, 1));
    MUST(set_int(server, IPPROTO_IP, IP_TOS, 8));
    limit.tv_usec = 200000;
    MUST(setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    int client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect_to(client, "127.0.0.1", port_of(server)));
    int accepted = MUST(accept(server, NULL, NULL));
    out("%d %d %d %d\n", get_int(accepted, SOL_SOCKET, SO_KEEPALIVE), get_int(accepted, IPPROTO_TCP, TCP_NODELAY),
        get_int(accepted, IPPROTO_IP, IP_TOS), get_int(accepted, SOL_SOCKET, SO_ACCEPTCONN));
    show(accepted, "socket", SOL_SOCKET, SO_SNDTIMEO, SO_SNDTIMEO);

    out("-- kinds of sockets\n");
    for (int family = 0; family < 3; family++)
        for (int type = 0; type < 12; type++)
            for (int protocol = 0; protocol < 20; protocol += protocol ? 11 : 6) {
                static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
                if (type == SOCK_RAW || type == SOCK_PACKET || (type == SOCK_DGRAM && protocol != IPPROTO_UDP))
                    continue; /* raw sockets and ping are for those who may */
                fd = socket(families[family], type, protocol);
                out("%d %d %d: %s\n", families[family], type, protocol, fd < 0 ? errno_name(errno) : "ok");
                if (fd >= 0)
                    close(fd);
            }
    TRY(socket(AF_INET, SOCK_STREAM, -1));
    TRY(socket(AF_INET, SOCK_STREAM, 300));
    TRY(socket(AF_INET, SOCK_STREAM | 0x100000, 0));
    TRY(socket(99, SOCK_STREAM, 0));
    int pair[2];
    TRY(socketpair(AF_INET, SOCK_STREAM, 0, pair));
    TRY(socketpair(AF_INET, SOCK_DGRAM, 0, pair));
    return 0;
}
