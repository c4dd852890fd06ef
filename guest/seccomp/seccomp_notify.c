/*
 * seccomp_notify -- another process decides about calls: answers, descriptors, poll, signals meanwhile, and the end of either side
 * guest: needs=proc
 */
#include "guest.h"
#include "seccomp.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND 2
#endif

static struct seccomp_notif request;
static char *notes;

/* What a confined process has to say is kept until it is gone: it runs at the same time as its listener. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(notes + strlen(notes), 4096 - strlen(notes), format, arguments);
    va_end(arguments);
}

static void finish(const char *what, pid_t pid)
{
    int status = reap(pid);
    out("%s", notes);
    *notes = 0;
    out("%s: %s\n", what, status_name(status));
}

static int receive(int fd)
{
    memset(&request, 0, sizeof request);
    errno = 0;
    int result = ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request);
    if (result)
        out("receive: %s\n", errno_name(errno));
    return result;
}

static int answer(int fd, int error, long long value, unsigned flags)
{
    struct seccomp_notif_resp response = {request.id, value, error, flags};
    errno = 0;
    return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response) ? errno : 0;
}

static int valid(int fd, unsigned long long id)
{
    return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) ? errno : 0;
}

static int add(int fd, unsigned flags, int source, int target, unsigned fd_flags)
{
    struct seccomp_notif_addfd addfd = {request.id, flags, source, target, fd_flags};
    errno = 0;
    int result = ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
    return result < 0 ? -errno : result;
}

static void events(int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT, 0};
    poll(&one, 1, 0);
    out("poll %#x\n", one.revents);
}

static int listen_for(unsigned flags, int number)
{
    no_new_privs();
    return MUST(install(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, number, SECCOMP_RET_USER_NOTIF));
}

static void answers(void)
{
    int fd = listen_for(0, SYS_getsid);
    char name[64], path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    name[readlink(path, name, sizeof name - 1)] = 0;
    out("%s, cloexec %d, flags %#x\n", name, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
    events(fd);
    pid_t pid = FORK({
        for (int i = 0; i < 5; i++)
            note("getsid %ld\n", call(SYS_getsid, 11, 22, 33));
        note("getsid works %d\n", call(SYS_getsid, 0, 0, 0) > 0);
    });
    while (poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1) != 1)
        ;
    events(fd);
    out("before it is received: %s, %s\n", errno_name(valid(fd, 1)), errno_name(answer(fd, 0, 0, 0)));
    struct seccomp_notif dirty = {.id = 1};
    errno = 0;
    ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &dirty);
    out("a dirty buffer: %s\n", errno_name(errno));
    errno = 0;
    ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, NULL);
    out("no buffer: %s\n", errno_name(errno));
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = 0;
    ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, page);
    out("a read-only buffer: %s\n", errno_name(errno));
    events(fd);
    receive(fd);
    unsigned long long first = request.id;
    out("from the child %d, flags %u, nr %d, arch %#x, args %lld %lld %lld\n", request.pid == (unsigned)pid, request.flags,
        request.data.nr, request.data.arch, request.data.args[0], request.data.args[1], request.data.args[2]);
    events(fd);
    out("valid %d, another %s\n", valid(fd, request.id), errno_name(valid(fd, request.id + 1)));
    out("unknown flags: %s\n", errno_name(answer(fd, 0, 0, 2)));
    out("continue with a value: %s\n", errno_name(answer(fd, 0, 1, SECCOMP_USER_NOTIF_FLAG_CONTINUE)));
    out("continue with an error: %s\n", errno_name(answer(fd, -1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)));
    out("answer %d\n", answer(fd, -EPERM, 5, 0));
    receive(fd);
    out("the next one has the next id: %d\n", request.id == first + 1);
    out("answer %d\n", answer(fd, 0, 4711, 0));
    receive(fd);
    out("answer %d\n", answer(fd, 12, 0, 0));
    receive(fd);
    out("answer %d\n", answer(fd, 0, -7, 0));
    receive(fd);
    out("answer %d\n", answer(fd, 0, 1LL << 40, 0));
    receive(fd);
    out("answer %d\n", answer(fd, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    finish("confined", pid);
    out("afterwards: %s, %s\n", errno_name(valid(fd, request.id)), errno_name(answer(fd, 0, 0, 0)));
    events(fd);
    TRY(read(fd, name, 1));
    TRY(write(fd, name, 1));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(ioctl(fd, FIONREAD, name));
    TRY(ioctl(fd, _IOW('!', 4, uint64_t), 1));
    TRY(ioctl(fd, _IOW('!', 4, uint64_t), 2));
    TRY(install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_getpgid, SECCOMP_RET_USER_NOTIF));
    TRY(install(0, SYS_getpgid, SECCOMP_RET_ALLOW));
}

static void descriptors(void)
{
    int fd = listen_for(0, SYS_getsid), pair[2];
    MUST(pipe(pair));
    pid_t pid = FORK({
        close(pair[0]);
        close(pair[1]);
        close(fd);
        long got = call(SYS_getsid, 0, 0, 0);
        note("result %ld, cloexec of 20 is %d, of 21 %d\n", got, fcntl(20, F_GETFD), fcntl(21, F_GETFD));
        note("written %zd\n", write(20, "hello", 5));
        got = call(SYS_getsid, 0, 0, 0);
        note("a new descriptor %d\n", got >= 0 && fcntl(got, F_GETFD) == FD_CLOEXEC);
        note("written %zd\n", write(got, "again", 5));
        struct rlimit limit = {got + 1, got + 1};
        setrlimit(RLIMIT_NOFILE, &limit);
        got = call(SYS_getsid, 0, 0, 0);
        note("result %ld\n", got);
    });
    out("nothing to add to: %d\n", add(fd, 0, pair[1], 0, 0));
    receive(fd);
    out("bad source %d, bad flags %d, bad descriptor flags %d, target without SETFD %d\n", add(fd, 0, 99, 0, 0),
        add(fd, 4, pair[1], 0, 0), add(fd, 0, pair[1], 0, O_NONBLOCK), add(fd, 0, pair[1], 20, 0));
    struct {
        struct seccomp_notif_addfd addfd;
        long more;
    } longer = {{request.id, SECCOMP_ADDFD_FLAG_SETFD, pair[1], 20, 0}, 1};
    errno = 0;
    ioctl(fd, _IOC(_IOC_WRITE, '!', 3, sizeof longer), &longer);
    out("longer and not zero: %s\n", errno_name(errno));
    longer.more = 0;
    out("longer and zero: %d\n", ioctl(fd, _IOC(_IOC_WRITE, '!', 3, sizeof longer), &longer));
    errno = 0;
    ioctl(fd, _IOC(_IOC_WRITE, '!', 3, 16), &longer);
    out("shorter: %s\n", errno_name(errno));
    out("again %d\n", add(fd, SECCOMP_ADDFD_FLAG_SETFD, pair[1], 20, 0));
    out("another %d\n", add(fd, SECCOMP_ADDFD_FLAG_SETFD, pair[1], 21, O_CLOEXEC));
    out("answer %d\n", answer(fd, 0, 1, 0));
    receive(fd);
    out("add and send gives a number: %d\n", add(fd, SECCOMP_ADDFD_FLAG_SEND, pair[1], 0, O_CLOEXEC) >= 0);
    receive(fd);
    out("beyond the limit: %d\n", add(fd, SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND, pair[1], 1000, 0));
    out("none free: %d\n", add(fd, 0, pair[1], 0, 0) < 0);
    out("answer %d\n", answer(fd, 0, 2, 0));
    finish("confined", pid);
    char text[16] = "";
    out("pipe: %zd %s\n", read(pair[0], text, sizeof text - 1), text);
}

static int shared_fd;

static void *receives(void *unused)
{
    out("received %d\n", receive(shared_fd));
    return unused;
}

static void ends(void)
{
    FATE("closed while a thread receives", {
        pthread_t thread;
        int ready[2];
        MUST(pipe(ready));
        shared_fd = listen_for(0, SYS_getsid);
        pid_t pid = FORK({
            char byte;
            close(shared_fd);
            read(ready[0], &byte, 1);
            note("nobody can answer: %ld\n", call(SYS_getsid, 0, 0, 0));
        });
        pthread_create(&thread, NULL, receives, NULL);
        sleep_ms(20);
        close(shared_fd);
        MUST(write(ready[1], "x", 1));
        pthread_join(thread, NULL);
        finish("confined", pid);
    });
    FATE("listener closed", {
        int fd = listen_for(0, SYS_getsid);
        pid_t pid = FORK({
            close(fd);
            note("while waiting: %ld\n", call(SYS_getsid, 0, 0, 0));
            note("without a listener: %ld\n", call(SYS_getsid, 0, 0, 0));
        });
        receive(fd);
        close(fd);
        finish("confined", pid);
        out("own call: %ld\n", call(SYS_getsid, 0, 0, 0));
        out("a new listener: %d\n", install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_getpgid, SECCOMP_RET_USER_NOTIF) >= 0);
    });
    FATE("confined process killed", {
        int fd = listen_for(0, SYS_getsid);
        pid_t pid = FORK(call(SYS_getsid, 0, 0, 0));
        receive(fd);
        out("valid %d\n", valid(fd, request.id));
        kill(pid, SIGKILL);
        out("%s\n", status_name(reap(pid)));
        out("valid %s, answer %s\n", errno_name(valid(fd, request.id)), errno_name(answer(fd, 0, 0, 0)));
        out("add %d\n", add(fd, 0, 0, 0, 0));
    });
    FATE("nobody left", {
        int sockets[2];
        MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
        pid_t pid = FORK({
            struct iovec part = {"x", 1};
            char control[CMSG_SPACE(sizeof(int))] = {0};
            struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            int fd = listen_for(0, SYS_getsid);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof fd);
            memcpy(CMSG_DATA(header), &fd, sizeof fd);
            MUST(sendmsg(sockets[0], &message, 0));
            close(fd);
            call(SYS_getsid, 0, 0, 0);
        });
        char byte;
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        MUST(recvmsg(sockets[1], &message, 0));
        int fd;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
        receive(fd);
        events(fd);
        out("answer %d\n", answer(fd, 0, 1, 0));
        out("%s\n", status_name(reap(pid)));
        events(fd);
        receive(fd);
    });
}

static volatile int signals;

static void count(int number)
{
    (void)number;
    signals++;
}

static void interrupted(const char *what, unsigned flags, int sa_flags, int when)
{
    pid_t outer = FORK({
        int fd = listen_for(flags, SYS_getsid);
        pid_t pid = FORK({
            handle(SIGUSR1, count, sa_flags);
            long result = call(SYS_getsid, 0, 0, 0);
            note("%s: result %ld, signals %d\n", what, result, signals);
        });
        if (when == 0)
            await_state(pid, "S");
        else
            receive(fd);
        unsigned long long first = when ? request.id : 0;
        if (when)
            await_state(pid, "SD");
        kill(pid, SIGUSR1);
        sleep_ms(20);
        if (when)
            out("%s: the first one is %s\n", what, errno_name(valid(fd, first)));
        if (!(when && valid(fd, first) == 0) && (sa_flags & SA_RESTART)) {
            receive(fd);
            out("%s: a new one %d\n", what, request.id != first);
        }
        if (valid(fd, request.id) == 0)
            out("%s: answer %d\n", what, answer(fd, 0, 99, 0));
        finish("confined", pid);
    });
    out("%s: %s\n", what, status_name(reap(outer)));
}

static void alarmed(int number)
{
    (void)number;
}

static void receiver(void)
{
    FATE("a receiver is interrupted", {
        int fd = listen_for(0, SYS_getsid);
        handle(SIGALRM, alarmed, 0);
        struct itimerval soon = {{0, 0}, {0, 20000}};
        setitimer(ITIMER_REAL, &soon, NULL);
        receive(fd);
    });
    FATE("two processes wait, two receive", {
        int fd = listen_for(0, SYS_getsid);
        pid_t pids[4];
        for (int i = 0; i < 2; i++)
            pids[i] = FORK(_exit(call(SYS_getsid, i, 0, 0)));
        for (int i = 2; i < 4; i++)
            pids[i] = FORK({
                receive(fd);
                answer(fd, 0, 10 + request.data.args[0], 0);
            });
        for (int i = 0; i < 4; i++)
            out("%s\n", status_name(reap(pids[i])));
    });
}

int main(void)
{
    notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FATE("answers", answers());
    FATE("descriptors", descriptors());
    ends();
    interrupted("waiting, restart", 0, SA_RESTART, 0);
    interrupted("waiting, no restart", 0, 0, 0);
    interrupted("received, restart", 0, SA_RESTART, 1);
    interrupted("received, no restart", 0, 0, 1);
    interrupted("killable, waiting", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SA_RESTART, 0);
    interrupted("killable, received", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SA_RESTART, 1);
    interrupted("killable, received, no restart", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0, 1);
    receiver();
    return 0;
}
