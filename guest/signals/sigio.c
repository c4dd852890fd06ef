/*
 * sigio -- signal-driven I/O: owners of files, O_ASYNC of pipes, sockets and terminals, F_SETSIG, SIGURG
 * guest: qemu=no
 */
#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#ifndef F_SETSIG
#define F_SETSIG 10
#define F_GETSIG 11
#endif
#define F_SETOWN_EX_ 15
#define F_GETOWN_EX_ 16
#define F_GETOWNER_UIDS_ 17
struct owner_ex {
    int type, pid;
};

static int rt;
static sigset_t all;

static long patience = 10000000; /* ns in which what was caused has come */

/* Print what is pending, in the order it is delivered. */
static void drain(const char *what)
{
    struct timespec now = {0, patience};
    siginfo_t info;
    char text[1024] = "";
    size_t length = 0;
    int number;
    memset(&info, 0, sizeof info);
    while (length < sizeof text - 80 && (number = sigtimedwait(&all, &info, &now)) > 0) {
        const char *name = number == rt ? "RT" : signal_name(number);
        if (number == SIGCHLD && info.si_code > 0)
            continue; /* a child of the set-up */
        if (info.si_code == SI_KERNEL || info.si_code == SI_USER)
            length += snprintf(text + length, sizeof text - length, " %s(%#x)", name, info.si_code);
        else
            length += snprintf(text + length, sizeof text - length, " %s(%d band %#lx fd %d)", name, info.si_code, (long)info.si_band, info.si_fd);
    }
    out("%s:%s\n", what, length ? text : " nothing");
}

static void watch(int fd, int signal)
{
    if (fcntl(fd, F_SETOWN, getpid()) || (signal && fcntl(fd, F_SETSIG, signal)) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC))
        out("watch: %s\n", errno_name(errno));
}

static void owners(void)
{
    int fd[2], on = 1;
    MUST(pipe(fd) == 0);
    struct owner_ex ex = {7, 7};
    unsigned uids[2] = {7, 7};
    TRY(fcntl(fd[0], F_GETOWN));
    TRY(fcntl(fd[0], F_GETOWN_EX_, &ex));
    out("type %d pid %d\n", ex.type, ex.pid);
    TRY(fcntl(fd[0], F_GETOWNER_UIDS_, uids));
    out("uids %u %u\n", uids[0], uids[1]);
    TRY(fcntl(fd[0], F_SETOWN, getpid()));
    out("own: %d\n", fcntl(fd[0], F_GETOWN) == getpid());
    TRY(fcntl(fd[0], F_GETOWN_EX_, &ex));
    out("type %d pid %d\n", ex.type, ex.pid == getpid());
    TRY(fcntl(fd[0], F_SETOWN, 0));
    TRY(fcntl(fd[0], F_GETOWN));
    fcntl(fd[0], F_GETOWN_EX_, &ex);
    out("type %d pid %d\n", ex.type, ex.pid);
    TRY(fcntl(fd[0], F_SETOWN, 0x7ffffff));
    TRY(fcntl(fd[0], F_SETOWN, -0x7ffffff));
    TRY(fcntl(fd[0], F_SETOWN, INT_MIN));
    ex = (struct owner_ex){3, 0};
    TRY(fcntl(fd[0], F_SETOWN_EX_, &ex));
    ex = (struct owner_ex){1, 0x7ffffff};
    TRY(fcntl(fd[0], F_SETOWN_EX_, &ex));
    TRY(fcntl(fd[0], F_SETOWN_EX_, (void *)8));
    TRY(fcntl(fd[0], F_SETSIG, 65));
    TRY(fcntl(fd[0], F_SETSIG, -1));
    TRY(fcntl(fd[0], F_SETSIG, SIGUSR1));
    TRY(fcntl(fd[0], F_GETSIG));
    pid_t pid = FORK({ pause(); });
    TRY(fcntl(fd[0], F_SETOWN, pid));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TRY(fcntl(fd[0], F_GETOWN));
    /* Files that never send it. */
    int event = eventfd(0, 0), file = open("/dev/null", O_RDWR);
    TRY(fcntl(event, F_SETFL, O_ASYNC) | (fcntl(event, F_GETFL) & O_ASYNC));
    fcntl(event, F_SETFL, 0);
    TRY(ioctl(event, FIOASYNC, &on));
    TRY(ioctl(file, FIOASYNC, &on));
    TRY(ioctl(fd[0], FIOASYNC, &on));
    TRY(fcntl(fd[0], F_GETFL) & O_ASYNC);
    close(fd[0]), close(fd[1]), close(event), close(file);
}

static void pipes(int signal)
{
    int fd[2];
    char buffer[65536];
    MUST(pipe2(fd, O_NONBLOCK) == 0);
    watch(fd[0], signal);
    watch(fd[1], signal);
    drain("pipe");
    write(fd[1], "ab", 2);
    drain("write");
    write(fd[1], "cd", 2);
    write(fd[1], "ef", 2);
    drain("two writes");
    read(fd[0], buffer, 1);
    drain("read");
    while (write(fd[1], buffer, 4096) > 0)
        continue;
    drain("full");
    read(fd[0], buffer, 100);
    drain("a little read");
    read(fd[0], buffer, sizeof buffer);
    drain("all read");
    read(fd[0], buffer, 1);
    drain("nothing read");
    int again = dup(fd[0]);
    close(fd[0]);
    write(fd[1], "gh", 2);
    drain("another descriptor");
    fcntl(again, F_SETFL, fcntl(again, F_GETFL) & ~O_ASYNC);
    fcntl(again, F_SETFL, fcntl(again, F_GETFL) | O_ASYNC);
    write(fd[1], "ij", 2);
    drain("and set through it");
    close(fd[1]);
    drain("writer closed");
    close(again);
    MUST(pipe(fd) == 0);
    watch(fd[1], signal);
    close(fd[0]);
    drain("reader closed");
    close(fd[1]);
    drain("both closed");
}

static void splices(void)
{
    int a[2], b[2], null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
    char page[8192];
    struct iovec part = {page, 100};
    MUST(pipe(a) == 0 && pipe(b) == 0);
    write(a[1], page, 8192);
    watch(a[1], rt);
    watch(b[0], rt);
    drain("before");
    TRY(tee(a[0], b[1], 5000, 0));
    drain("tee");
    TRY(splice(a[0], NULL, b[1], NULL, 100, 0));
    drain("a part of a page");
    TRY(splice(a[0], NULL, b[1], NULL, 8000, 0));
    drain("the rest of two");
    watch(b[1], rt);
    TRY(splice(b[0], NULL, null, NULL, 100, 0));
    drain("a part to a file");
    TRY(splice(b[0], NULL, null, NULL, 65536, 0));
    drain("all to a file");
    TRY(splice(zero, NULL, b[1], NULL, 100, 0));
    drain("from a file");
    TRY(vmsplice(b[1], &part, 1, 0));
    drain("from memory");
    TRY(vmsplice(b[0], &part, 1, 0));
    drain("to memory");
    close(a[0]), close(a[1]), close(b[0]), close(b[1]), close(null), close(zero);
}

static void overflow(void)
{
    int fd[2];
    struct rlimit old, none;
    MUST(pipe(fd) == 0);
    watch(fd[0], rt);
    getrlimit(RLIMIT_SIGPENDING, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_SIGPENDING, &none);
    write(fd[1], "x", 1);
    setrlimit(RLIMIT_SIGPENDING, &old);
    drain("no room in the queue");
    fcntl(fd[0], F_SETSIG, SIGCHLD);
    write(fd[1], "x", 1);
    drain("SIGCHLD");
    fcntl(fd[0], F_SETSIG, SIGIO);
    write(fd[1], "x", 1);
    drain("SIGIO by F_SETSIG");
    close(fd[0]), close(fd[1]);
}

static void unix_sockets(int kind)
{
    int fd[2];
    static char buffer[1 << 20];
    MUST(socketpair(AF_UNIX, kind | SOCK_NONBLOCK, 0, fd) == 0);
    watch(fd[0], rt);
    watch(fd[1], rt);
    drain("pair");
    send(fd[1], "ab", 2, 0);
    send(fd[1], "cd", 2, 0);
    drain("two sent");
    recv(fd[0], buffer, 1, 0);
    drain("received");
    while (recv(fd[0], buffer, sizeof buffer, 0) > 0)
        continue;
    drain("all received");
    shutdown(fd[1], SHUT_WR);
    drain("shutdown of writing");
    shutdown(fd[1], SHUT_RD);
    drain("shutdown of reading");
    shutdown(fd[0], SHUT_RDWR);
    drain("shutdown of both");
    close(fd[0]);
    drain("closed");
    close(fd[1]);
    MUST(socketpair(AF_UNIX, kind | SOCK_NONBLOCK, 0, fd) == 0);
    watch(fd[0], SIGIO);
    while (send(fd[0], buffer, 4096, 0) > 0)
        continue;
    drain("full");
    recv(fd[1], buffer, 4096, 0);
    drain("one taken");
    while (recv(fd[1], buffer, sizeof buffer, 0) > 0)
        continue;
    drain("all taken");
    send(fd[0], "x", 1, 0);
    recv(fd[1], buffer, 1, 0);
    drain("no lack since");
    close(fd[1]);
    drain("closed");
    close(fd[0]);
}

static void listeners(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0sigio"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(server, (void *)&name, 8) == 0);
    watch(server, rt);
    watch(client, rt);
    MUST(listen(server, 3) == 0);
    drain("listening");
    MUST(connect(client, (void *)&name, 8) == 0);
    drain("connected");
    int peer = accept(server, NULL, NULL);
    out("inherited: %d %d\n", fcntl(peer, F_GETFL) & O_ASYNC, fcntl(peer, F_GETOWN));
    write(client, "x", 1);
    drain("not watched");
    write(peer, "x", 1);
    drain("watched");
    close(peer);
    drain("closed with data");
    close(server), close(client);
}

static void inet(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    char buffer[64];
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    MUST(bind(server, (void *)&name, sizeof name) == 0);
    MUST(getsockname(server, (void *)&name, &size) == 0);
    MUST(listen(server, 3) == 0);
    watch(server, rt);
    watch(client, rt);
    connect(client, (void *)&name, sizeof name);
    drain("tcp connected");
    int peer = accept(server, NULL, NULL);
    watch(peer, rt);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    drain("accepted");
    send(peer, "ab", 2, 0);
    drain("data");
    recv(client, buffer, sizeof buffer, 0);
    fcntl(client, F_SETSIG, 0);
    send(peer, "c", 1, MSG_OOB);
    drain("urgent, SIGIO");
    fcntl(client, F_SETSIG, rt);
    recv(client, buffer, 1, MSG_OOB);
    send(peer, "d", 1, MSG_OOB);
    drain("urgent, RT");
    shutdown(peer, SHUT_WR);
    drain("half closed");
    close(client);
    drain("closed");
    close(peer);
    /* A reset. */
    client = socket(AF_INET, SOCK_STREAM, 0);
    MUST(connect(client, (void *)&name, sizeof name) == 0);
    peer = accept(server, NULL, NULL);
    drain("tcp again");
    watch(client, rt);
    struct linger linger = {1, 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer);
    drain("reset");
    close(client), close(server);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    name.sin_port = 0;
    MUST(bind(udp, (void *)&name, sizeof name) == 0);
    MUST(getsockname(udp, (void *)&name, &size) == 0);
    watch(udp, rt);
    sendto(sender, "x", 1, 0, (void *)&name, sizeof name);
    sendto(sender, "y", 1, 0, (void *)&name, sizeof name);
    drain("udp");
    MUST(connect(sender, (void *)&name, sizeof name) == 0);
    watch(sender, rt);
    close(udp);
    send(sender, "z", 1, 0);
    drain("nobody there");
    close(sender);
}

static void socket_ioctls(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), owner = getpid(), got = 7;
    TRY(ioctl(fd, FIOGETOWN, &got));
    out("got %d\n", got);
    TRY(ioctl(fd, FIOSETOWN, &owner));
    TRY(ioctl(fd, SIOCGPGRP, &got));
    out("own %d\n", got == owner);
    owner = -getpgrp();
    TRY(ioctl(fd, SIOCSPGRP, &owner));
    out("group %d\n", fcntl(fd, F_GETOWN) == owner);
    owner = 0x7ffffff;
    TRY(ioctl(fd, SIOCSPGRP, &owner));
    close(fd);
}

static void terminals(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), on = 1;
    MUST(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
    fcntl(master, F_SETFL, O_NONBLOCK);
    char buffer[64];
    MUST(ioctl(slave, FIOASYNC, &on) == 0);
    out("owner by setting it: %d\n", fcntl(slave, F_GETOWN) == getpid());
    fcntl(slave, F_SETSIG, rt);
    write(master, "ab", 2);
    drain("half a line");
    write(master, "c\n", 2);
    drain("the rest");
    read(slave, buffer, sizeof buffer);
    drain("read");
    struct termios settings;
    tcgetattr(slave, &settings);
    cfmakeraw(&settings);
    tcsetattr(slave, TCSANOW, &settings);
    drain("raw");
    write(master, "d", 1);
    drain("a key");
    MUST(ioctl(master, FIOASYNC, &on) == 0);
    out("owner of the master: %d\n", fcntl(master, F_GETOWN) == getpid());
    fcntl(master, F_SETSIG, rt);
    write(slave, "e", 1);
    drain("output");
    on = 0;
    MUST(ioctl(master, FIOASYNC, &on) == 0);
    static char much[1 << 16];
    out("all written: %d\n", write(slave, much, sizeof much) == sizeof much);
    drain("cut short");
    for (int i = 0; i < 20; i++)
        read(master, much, 4096);
    sigset_t pending;
    sigpending(&pending);
    out("room again: %d\n", sigismember(&pending, rt));
    while (sigtimedwait(&all, NULL, &(struct timespec){0}) > 0)
        continue;
    close(slave), close(master);
    drain("closed");
}

/* -- who may, and who gets it ----------------------------------------------------------------------------------------- */
static void *waiter(void *argument)
{
    int *fd = argument;
    struct owner_ex ex = {0, (int)syscall(SYS_gettid)};
    MUST(fcntl(fd[0], F_SETOWN_EX_, &ex) == 0);
    fcntl(fd[0], F_SETFL, O_ASYNC);
    fcntl(fd[0], F_GETOWN_EX_, &ex);
    out("a thread as owner: type %d, own %d\n", ex.type, ex.pid == syscall(SYS_gettid));
    write(fd[1], "x", 1);
    sigset_t mine;
    sigpending(&mine);
    out("pending in the thread: %d\n", sigismember(&mine, SIGIO));
    drain("taken by the thread");
    write(fd[1], "y", 1);
    return NULL;
}

static void receivers(void)
{
    int fd[2];
    pthread_t thread;
    MUST(pipe(fd) == 0);
    pthread_create(&thread, NULL, waiter, fd);
    pthread_join(thread, NULL);
    sigset_t mine;
    sigpending(&mine);
    out("what a thread left: %d\n", sigismember(&mine, SIGIO));
    write(fd[1], "z", 1);
    drain("to a thread that is gone");
    out("its number: %d\n", fcntl(fd[0], F_GETOWN));
    close(fd[0]), close(fd[1]);
    MUST(pipe(fd) == 0);
    watch(fd[0], 0);
    fcntl(fd[0], F_SETOWN, -getpgrp());
    pid_t pid = FORK({
        drain("a child of the group, before");
        write(fd[1], "x", 1);
        drain("after");
    });
    reap(pid);
    drain("the parent");
    pid_t parent = getpid();
    pid = FORK({
        int other[2];
        MUST(pipe(other) == 0);
        if (geteuid() == 0)
            MUST(setresuid(65534, 65534, 65534) == 0);
        out("an owner of another user: %d\n", fcntl(other[0], F_SETOWN, parent));
        fcntl(other[0], F_SETFL, O_ASYNC);
        write(other[1], "x", 1);
    });
    reap(pid);
    if (geteuid() == 0)
        drain("of another user");
    close(fd[0]), close(fd[1]);
}

int main(void)
{
    rt = SIGRTMIN + 2;
    sigemptyset(&all);
    sigaddset(&all, SIGIO), sigaddset(&all, rt), sigaddset(&all, SIGURG), sigaddset(&all, SIGUSR1), sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGPIPE);
    sigprocmask(SIG_BLOCK, &all, NULL);
    MUST(setpgid(0, 0) == 0 || errno == EPERM);
    owners();
    drain("so far");
    pipes(0);
    pipes(rt);
    splices();
    overflow();
    unix_sockets(SOCK_STREAM);
    unix_sockets(SOCK_DGRAM);
    unix_sockets(SOCK_SEQPACKET);
    listeners();
    receivers();
    socket_ioctls();
    patience *= 10; /* what comes by way of another thread of the kernel */
    inet();
    terminals();
    return wrong;
}
