/*
 * restart -- which calls a handled signal interrupts, with and without SA_RESTART
 *
 * A subject blocks in the call; after 30 ms it gets SIGALRM, after 120 ms the call's condition is fulfilled by its parent. signal(7).
 */
#include "guest.h"

/* musl's wrapper hides EINTR. */
#define sigtimedwait(set, info, timeout) syscall(SYS_rt_sigtimedwait, set, info, timeout, 8L)
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static int in[2], full[2], event, file, *word;
static pid_t child;
static int handled;

static void on_alarm(int number) { handled++; }

static long call_read(void)
{
    char byte;
    return read(in[0], &byte, 1);
}
static long call_readv(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    return readv(in[0], &part, 1);
}
static long call_write(void) { return write(full[1], "x", 1); }
static long call_wait(void) { return waitpid(child, NULL, 0) == child ? 0 : -1; }
static long call_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, child, &info, WEXITED);
}
static long call_nanosleep(void)
{
    struct timespec t = {0, 100000000};
    return syscall(SYS_nanosleep, &t, NULL);
}
static long call_futex(void) { return syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0); }
static long call_futex_timeout(void)
{
    struct timespec t = {5, 0};
    return syscall(SYS_futex, word, FUTEX_WAIT, 0, &t, NULL, 0);
}
static long call_poll(void)
{
    struct pollfd p = {in[0], POLLIN, 0};
    return poll(&p, 1, 5000);
}
static long call_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(in[0], &set);
    return select(in[0] + 1, &set, NULL, NULL, NULL);
}
static long call_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    int fd = epoll_create1(0);
    epoll_ctl(fd, EPOLL_CTL_ADD, in[0], &e);
    return epoll_wait(fd, &e, 1, 5000);
}
static long call_pause(void) { return pause(); }
static long call_sigsuspend(void)
{
    sigset_t none;
    sigemptyset(&none);
    return sigsuspend(&none);
}
static long call_sigtimedwait(void)
{
    sigset_t set;
    struct timespec t = {5, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigtimedwait(&set, NULL, &t);
}
static long call_eventfd(void)
{
    uint64_t value;
    return read(event, &value, 8);
}
static long call_timerfd(void)
{
    uint64_t value;
    struct itimerspec t = {{0, 0}, {0, 100000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(fd, 0, &t, NULL);
    return read(fd, &value, 8);
}
static long call_fcntl(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(file, F_SETLKW, &lock);
}
static long call_flock(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int mine = open(path, O_RDWR);
    return flock(mine, LOCK_EX);
}
static long call_clock_nanosleep_abs(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 100000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return -syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static const struct {
    const char *name;
    long (*call)(void);
} subjects[] = {
    {"read of a pipe", call_read},
    {"readv of a pipe", call_readv},
    {"write to a full pipe", call_write},
    {"waitpid", call_wait},
    {"waitid", call_waitid},
    {"nanosleep", call_nanosleep},
    {"clock_nanosleep to an absolute time", call_clock_nanosleep_abs},
    {"futex wait", call_futex},
    {"futex wait with timeout", call_futex_timeout},
    {"poll", call_poll},
    {"select", call_select},
    {"epoll_wait", call_epoll},
    {"pause", call_pause},
    {"sigsuspend", call_sigsuspend},
    {"sigtimedwait", call_sigtimedwait},
    {"read of an eventfd", call_eventfd},
    {"read of a timerfd", call_timerfd},
    {"fcntl F_SETLKW", call_fcntl},
    {"flock", call_flock},
};

static void experiment(int index, int flags)
{
    MUST(pipe(in));
    MUST(pipe(full));
    event = MUST(eventfd(0, 0));
    *word = 0;
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    char block[4096] = "";
    while (write(full[1], block, sizeof block) > 0)
        ;
    fcntl(full[1], F_SETFL, 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    MUST(fcntl(file, F_SETLK, &lock));
    MUST(flock(file, LOCK_EX));
    int ready[2];
    char byte;
    MUST(pipe(ready));
    pid_t subject = FORK({
        child = FORK(sleep_ms(120));
        handle(SIGALRM, on_alarm, flags);
        struct itimerval timer = {{0, 0}, {0, 30000}};
        write(ready[1], "r", 1);
        setitimer(ITIMER_REAL, &timer, NULL);
        errno = 0;
        long result = subjects[index].call();
        out("%-36s %-10s handler ran %d, %s\n", subjects[index].name, flags & SA_RESTART ? "SA_RESTART" : "", handled,
            result >= 0 ? "completed" : errno_name(errno));
        kill(child, SIGKILL);
    });
    read(ready[0], &byte, 1);
    sleep_ms(120);
    write(in[1], "i", 1);
    for (int i = 0; i < 2; i++)
        read(full[0], block, sizeof block);
    eventfd_write(event, 1);
    *word = 1;
    syscall(SYS_futex, word, FUTEX_WAKE, 10, NULL, NULL, 0);
    lock.l_type = F_UNLCK;
    fcntl(file, F_SETLK, &lock);
    flock(file, LOCK_UN);
    reap(subject);
    int fds[] = {in[0], in[1], full[0], full[1], event, ready[0], ready[1]};
    for (int i = 0; i < 7; i++)
        close(fds[i]);
}

int main(void)
{
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    file = MUST(memfd_create("locks", 0));
    for (int i = 0; i < (int)(sizeof subjects / sizeof *subjects); i++) {
        experiment(i, 0);
        experiment(i, SA_RESTART);
    }
    return 0;
}
