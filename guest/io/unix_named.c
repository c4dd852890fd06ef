/*
 * unix_named -- AF_UNIX sockets with names: paths, abstract names, accept, datagrams with addresses
 */
#include "guest.h"
#include <sys/socket.h>
#include <sys/un.h>

static char buffer[100];

static socklen_t named(struct sockaddr_un *address, const char *name, int abstract)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + abstract, name, strlen(name));
    return offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1;
}

static void show_poll(const char *what, int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&one, 1, 0);
    out("%s: revents %#x\n", what, one.revents);
}

static void show_name(const char *what, int fd, int (*call)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    memset(&address, 0x55, sizeof address);
    if (call(fd, (struct sockaddr *)&address, &length))
        out("%s: %s\n", what, errno_name(errno));
    else
        out("%s: length %d, family %d, %s%s\n", what, (int)length, address.sun_family, length > 2 && !address.sun_path[0] ? "@" : "",
            length <= 2 ? "unnamed" : address.sun_path[0] ? address.sun_path : "abstract");
}

static void streams(const char *name, int abstract, int type)
{
    struct sockaddr_un address;
    socklen_t length = named(&address, name, abstract);
    int server = MUST(socket(AF_UNIX, type, 0));
    show_poll("fresh", server);
    int early = MUST(socket(AF_UNIX, type, 0));
    TRY(connect(early, (void *)&address, length));
    TRY(listen(server, 1));
    TRY(bind(server, (void *)&address, length));
    TRY(bind(server, (void *)&address, length));
    TRY(bind(early, (void *)&address, length));
    TRY(connect(early, (void *)&address, length));
    TRY(accept(server, NULL, NULL));
    TRY(listen(server, 1));
    show_poll("listening", server);
    show_name("server", server, getsockname);
    TRY(connect(early, (void *)&address, length));
    show_poll("one waits", server);
    show_poll("connected before accept", early);
    TRY(write(early, "early", 5));
    TRY(connect(early, (void *)&address, length));
    fcntl(server, F_SETFL, O_NONBLOCK);
    int side = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    out("cloexec %d\n", (int)fcntl(side, F_GETFD));
    TRY(accept(server, NULL, NULL));
    TRY(read(side, buffer, sizeof buffer));
    show_name("side", side, getsockname);
    show_name("side's peer", side, getpeername);
    show_name("client", early, getsockname);
    show_name("client's peer", early, getpeername);
    show_name("server's peer", server, getpeername);
    struct ucred who;
    socklen_t size = sizeof who;
    MUST(getsockopt(early, SOL_SOCKET, SO_PEERCRED, &who, &size));
    out("peer pid %d\n", who.pid == getpid());

    out("-- the backlog\n");
    int clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = MUST(socket(AF_UNIX, type | SOCK_NONBLOCK, 0));
        int result = connect(clients[i], (void *)&address, length);
        out("client %d: %s\n", i, result ? errno_name(errno) : "ok");
    }
    fcntl(server, F_SETFL, 0);
    pid_t child = FORK({
        int mine = socket(AF_UNIX, type, 0);
        if (connect(mine, (void *)&address, length))
            _exit(1);
        write(mine, "c", 1);
        read(mine, buffer, 1);
        _exit(buffer[0]);
    });
    sleep_ms(20);
    for (int i = 0; i < 2; i++)
        MUST(accept(server, NULL, NULL));
    int last = MUST(accept(server, NULL, NULL));
    TRY(read(last, buffer, 1));
    MUST(write(last, "\11", 1));
    out("%s\n", status_name(reap(child)));
    int orphan = MUST(socket(AF_UNIX, type, 0));
    MUST(connect(orphan, (void *)&address, length));
    close(server);
    show_poll("never accepted", orphan);
    TRY(read(orphan, buffer, 1));
    TRY(connect(MUST(socket(AF_UNIX, type, 0)), (void *)&address, length));
    close(side);
    TRY(read(early, buffer, 1));
}

static void datagrams(void)
{
    struct sockaddr_un first, second, from;
    socklen_t first_length = named(&first, "dgram-a", 0), second_length = named(&second, "dgram-b", 0), length;
    int a = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), b = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), c = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    MUST(bind(a, (void *)&first, first_length));
    MUST(bind(b, (void *)&second, second_length));
    TRY(send(a, "x", 1, 0));
    TRY(sendto(a, "to b", 4, 0, (void *)&second, second_length));
    TRY(sendto(c, "unnamed", 7, 0, (void *)&second, second_length));
    length = sizeof from;
    TRY(recvfrom(b, buffer, sizeof buffer, 0, (void *)&from, &length));
    out("from %s length %d\n", from.sun_path, (int)length);
    length = sizeof from;
    TRY(recvfrom(b, buffer, sizeof buffer, 0, (void *)&from, &length));
    out("length %d\n", (int)length);
    TRY(connect(b, (void *)&first, first_length));
    TRY(send(b, "back", 4, 0));
    TRY(sendto(c, "x", 1, 0, (void *)&second, second_length));
    TRY(sendto(a, "ok", 2, 0, (void *)&second, second_length));
    int count = 0;
    while (sendto(c, "q", 1, MSG_DONTWAIT, (void *)&first, first_length) == 1)
        count++;
    out("%d fit, then %s\n", count, errno_name(errno));
    struct sockaddr_un nowhere;
    length = named(&nowhere, "nowhere", 0);
    TRY(sendto(c, "x", 1, 0, (void *)&nowhere, length));
    MUST(close(open("plain", O_CREAT | O_WRONLY, 0600)));
    length = named(&nowhere, "plain", 0);
    TRY(sendto(c, "x", 1, 0, (void *)&nowhere, length));
    TRY(bind(c, (void *)&nowhere, length));
    close(a);
    TRY(sendto(c, "x", 1, 0, (void *)&first, first_length));
    TRY(listen(c, 1));
    TRY(accept(c, NULL, NULL));
    struct sockaddr_un automatic = {AF_UNIX, ""};
    TRY(bind(c, (void *)&automatic, 2));
    length = sizeof from;
    MUST(getsockname(c, (void *)&from, &length));
    out("automatic name: length %d, %d\n", (int)length, from.sun_path[0]);
    TRY(bind(c, (void *)&automatic, 1));
    TRY(bind(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&automatic, 200));
    TRY(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&second, second_length));
    unlink("plain");
    unlink("dgram-a");
    unlink("dgram-b");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    streams("socket-path", 0, SOCK_STREAM);
    struct stat about;
    MUST(stat("socket-path", &about));
    out("mode %o\n", about.st_mode & S_IFMT);
    TRY(open("socket-path", O_RDWR));
    unlink("socket-path");
    out("-- abstract\n");
    streams("guest-abstract", 1, SOCK_SEQPACKET);
    out("-- datagrams\n");
    datagrams();
    return wrong;
}
