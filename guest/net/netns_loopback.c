/*
 * netns_loopback -- a network namespace of one's own: its loopback is down, set up by netlink, and nothing crosses over
 * guest: needs=root
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/un.h>

#include "net.h"

static int try_tcp(const char *address, int port)
{
    int fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int result = connect_to(fd, address, port);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int try_bind(const char *address, int port)
{
    int fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int result = bind_to(fd, address, port);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int abstract(int fd, int connecting)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, "\0guest-netns", 12);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 12;
    return connecting ? connect(fd, (struct sockaddr *)&name, size) : bind(fd, (struct sockaddr *)&name, size);
}

static int flags_of(int fd)
{
    struct ifreq request = {.ifr_name = "lo"};
    return ioctl(fd, SIOCGIFFLAGS, &request) ? -errno : request.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
}

/* Send one request of rtnetlink and return the error it is acknowledged with. */
static int ask(int fd, void *request, size_t size)
{
    struct nlmsghdr *head = request;
    head->nlmsg_len = size;
    head->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    head->nlmsg_seq = 7;
    MUST(send(fd, request, size, 0));
    char answer[4096];
    ssize_t got = MUST(recv(fd, answer, sizeof answer, 0));
    head = (struct nlmsghdr *)answer;
    if (got < (ssize_t)sizeof *head || head->nlmsg_type != NLMSG_ERROR || head->nlmsg_seq != 7)
        return 1;
    return ((struct nlmsgerr *)NLMSG_DATA(head))->error;
}

static int add_address(int fd, const char *address, int prefix, int flags)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
        struct rtattr attribute;
        struct in_addr address;
    } request = {.head = {.nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_CREATE | flags},
                 .body = {.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_flags = IFA_F_PERMANENT,
                          .ifa_scope = RT_SCOPE_HOST, .ifa_index = if_nametoindex("lo")},
                 .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_LOCAL}};
    inet_pton(AF_INET, address, &request.address);
    return ask(fd, &request, sizeof request);
}

static int set_up(int fd)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg body;
    } request = {.head = {.nlmsg_type = RTM_NEWLINK},
                 .body = {.ifi_family = AF_UNSPEC, .ifi_index = if_nametoindex("lo"), .ifi_flags = IFF_UP, .ifi_change = IFF_UP}};
    return ask(fd, &request, sizeof request);
}

int main(void)
{
    NEED_ROOT;
    int outside = listener(5), port = port_of(outside);
    int name = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    TRY(abstract(name, 0));
    MUST(listen(name, 1));
    struct stat before, after;
    MUST(stat("/proc/self/ns/net", &before));
    TRY(unshare(CLONE_NEWNET));
    MUST(stat("/proc/self/ns/net", &after));
    expect(before.st_ino != after.st_ino, "another namespace");

    out("-- down\n");
    int probe = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    out("lo: flags %#x, index %d\n", flags_of(probe), if_nametoindex("lo"));
    TRY(try_tcp("127.0.0.1", port));
    TRY(try_tcp("192.0.2.1", port));
    TRY(try_bind("127.0.0.1", 0));
    TRY(try_bind("0.0.0.0", 0));
    TRY(try_bind("0.0.0.0", port));
    struct sockaddr_in to = at("127.0.0.1", port);
    TRY(sendto(probe, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    TRY(if_nametoindex("eth0") ? 1 : -1);
    int other = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    TRY(abstract(other, 1));
    TRY(abstract(other, 0));

    out("-- set up\n");
    int route = MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct sockaddr_nl mine = {.nl_family = AF_NETLINK, .nl_pid = getpid()};
    TRY(bind(route, (struct sockaddr *)&mine, sizeof mine));
    TRY(add_address(route, "127.0.0.1", 8, NLM_F_EXCL));
    TRY(add_address(route, "127.0.0.1", 8, NLM_F_EXCL) == -EEXIST);
    TRY(set_up(route));
    TRY(set_up(route));
    out("lo: flags %#x\n", flags_of(probe));
    TRY(try_tcp("127.0.0.1", port));
    TRY(try_tcp("192.0.2.1", port));
    TRY(try_bind("127.0.0.1", port));
    TRY(try_bind("10.1.2.3", 0));
    TRY(add_address(route, "10.1.2.3", 24, 0));
    TRY(try_bind("10.1.2.3", 0));
    TRY(try_tcp("10.1.2.99", port));
    TRY(try_tcp("10.1.3.1", port));

    out("-- a socket stays where it was made\n");
    TRY(bind_to(outside, "127.0.0.1", 0));
    int inside = listener(1);
    pid_t child = FORK({
        TRY(unshare(CLONE_NEWNET));
        out("lo: flags %#x here, %#x there\n", flags_of(socket(AF_INET, SOCK_DGRAM, 0)), flags_of(probe));
        TRY(try_tcp("127.0.0.1", port_of(inside)));
    });
    out("child %s\n", status_name(reap(child)));
    TRY(try_tcp("127.0.0.1", port_of(inside)));

    out("-- without privilege\n");
    child = FORK({
        MUST(setresuid(1000, 1000, 1000));
        TRY(set_up(route));
        int own = MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
        TRY(set_up(own) == -EPERM);
        struct ifreq request = {.ifr_name = "lo"};
        TRY(ioctl(probe, SIOCSIFFLAGS, &request));
        TRY(try_bind("127.0.0.1", 80));
        TRY(unshare(CLONE_NEWNET));
        TRY(unshare(CLONE_NEWUSER | CLONE_NEWNET));
        probe = MUST(socket(AF_INET, SOCK_DGRAM, 0));
        request.ifr_flags = IFF_UP;
        TRY(ioctl(probe, SIOCSIFFLAGS, &request));
        TRY(try_bind("127.0.0.1", 80));
    });
    out("child %s\n", status_name(reap(child)));
    return 0;
}
