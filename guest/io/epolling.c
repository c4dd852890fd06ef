/*
 * epolling -- epoll: level and edge triggered, one-shot, exclusive, nested, closing
 */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct epoll_event found[16];

static void add(int ep, int fd, unsigned events, long data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) == -1)
        out("add: %s\n", errno_name(errno));
}

static void mod(int ep, int fd, unsigned events, long data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    if (epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event) == -1)
        out("mod: %s\n", errno_name(errno));
}

static void show(int ep, int timeout)
{
    char text[256] = "";
    int count = epoll_wait(ep, found, 16, timeout);
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), 40, " %ld:%#x", (long)found[i].data.u64, found[i].events);
    out("wait %d%s\n", count, count < 0 ? errno_name(errno) : text);
}

static int winners[2];

static void *waiter(void *argument)
{
    struct epoll_event event;
    int count = epoll_wait((int)(long)argument, &event, 1, 300);
    __sync_fetch_and_add(&winners[count == 1], 1);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

int main(void)
{
    int a[2], b[2];
    char text[64];
    MUST(pipe(a));
    MUST(pipe(b));
    int ep = MUST(epoll_create1(EPOLL_CLOEXEC));
    out("-- level triggered\n");
    add(ep, a[0], EPOLLIN, 1);
    add(ep, b[0], EPOLLIN, 2);
    add(ep, b[1], EPOLLOUT, 3);
    add(ep, a[0], EPOLLIN, 4);
    show(ep, 0);
    MUST(write(a[1], "ab", 2));
    show(ep, 0);
    MUST(read(a[0], text, 1));
    show(ep, 0);
    MUST(read(a[0], text, 1));
    show(ep, 0);
    out("-- edge triggered\n");
    mod(ep, b[1], 0, 3);
    mod(ep, a[0], EPOLLIN | EPOLLET, 5);
    show(ep, 0);
    MUST(write(a[1], "a", 1));
    show(ep, 0);
    show(ep, 0);
    MUST(write(a[1], "a", 1));
    show(ep, 0);
    mod(ep, a[0], EPOLLIN | EPOLLET, 6);
    show(ep, 0);
    out("-- one-shot\n");
    mod(ep, a[0], EPOLLIN | EPOLLONESHOT, 7);
    show(ep, 0);
    MUST(write(a[1], "a", 1));
    show(ep, 0);
    mod(ep, a[0], EPOLLIN | EPOLLONESHOT, 8);
    show(ep, 0);
    out("-- fairness: what is ready takes turns\n");
    mod(ep, a[0], EPOLLIN, 9);
    MUST(write(b[1], "b", 1));
    for (int i = 0; i < 3; i++) {
        int count = epoll_wait(ep, found, 1, 0);
        out("%d %ld\n", count, (long)found[0].data.u64);
    }
    out("-- hang-up is always told\n");
    close(b[1]);
    mod(ep, b[0], 0, 10);
    show(ep, 0);
    out("-- removal\n");
    TRY(epoll_ctl(ep, EPOLL_CTL_DEL, b[0], NULL));
    TRY(epoll_ctl(ep, EPOLL_CTL_DEL, b[0], NULL));
    show(ep, 0);
    int copy = MUST(dup(a[0]));
    close(a[0]);
    show(ep, 0);
    TRY(epoll_ctl(ep, EPOLL_CTL_DEL, copy, NULL));
    close(copy);
    show(ep, 0);

    out("-- errors\n");
    struct epoll_event event = {EPOLLIN, {0}};
    int null = MUST(open("/dev/null", O_RDWR)), file = MUST(open("/proc/self/exe", O_RDONLY));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, null, &event));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, file, &event));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event));
    TRY(epoll_ctl(null, EPOLL_CTL_ADD, a[1], &event));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &event));
    TRY(epoll_ctl(99, EPOLL_CTL_ADD, a[1], &event));
    TRY(epoll_ctl(ep, 77, a[1], &event));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, a[1], (void *)8));
    TRY(epoll_ctl(ep, EPOLL_CTL_MOD, a[1], &event));
    TRY(epoll_wait(ep, found, 0, 0));
    TRY(epoll_wait(ep, found, -1, 0));
    TRY(epoll_wait(null, found, 1, 0));
    TRY(epoll_create(0));
    TRY(epoll_create1(0x1000));
    TRY(read(ep, text, 1));

    out("-- nested\n");
    int counter = MUST(eventfd(0, EFD_NONBLOCK));
    int inner = MUST(epoll_create1(0)), outer = MUST(epoll_create1(0));
    add(outer, inner, EPOLLIN, 20);
    add(inner, counter, EPOLLIN, 21);
    add(inner, outer, EPOLLIN, 22);
    show(outer, 0);
    uint64_t one = 1;
    MUST(write(counter, &one, 8));
    show(outer, 0);
    struct pollfd polled = {outer, POLLIN, 0};
    TRY(poll(&polled, 1, 0));
    MUST(read(counter, &one, 8));
    show(outer, 0);
    TRY(poll(&polled, 1, 0));
    int chain[8];
    for (int i = 0; i < 8; i++) {
        chain[i] = MUST(epoll_create1(0));
        if (i) {
            struct epoll_event link = {EPOLLIN, {0}};
            int result = epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &link);
            out("link %d: %s\n", i, result ? errno_name(errno) : "ok");
            if (result)
                break;
        }
    }

    out("-- exclusive\n");
    add(ep, counter, EPOLLIN | EPOLLEXCLUSIVE, 30);
    mod(ep, counter, EPOLLIN, 30);
    add(ep, inner, EPOLLIN | EPOLLEXCLUSIVE, 31);
    add(ep, a[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 32);
    int shared = MUST(eventfd(0, EFD_NONBLOCK));
    add(ep, shared, EPOLLIN, 33);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, waiter, (void *)(long)ep);
    sleep_ms(50);
    mod(ep, shared, EPOLLIN | EPOLLET, 34);
    MUST(write(shared, &one, 8));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    out("edge triggered: %d woken, %d not\n", winners[1], winners[0]);

    out("-- time and signals\n");
    int empty = MUST(epoll_create1(0));
    long start = now_ms();
    show(empty, 40);
    expect(now_ms() - start >= 39, "waited");
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    show(empty, -1);
    sigset_t mask, none;
    sigemptyset(&none);
    sigemptyset(&mask);
    sigaddset(&mask, SIGALRM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    raise(SIGALRM);
    TRY(epoll_pwait(empty, found, 1, 0, &none));
    TRY(epoll_pwait(empty, found, 1, 1000, &none));
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    out("blocked again %d\n", sigismember(&now, SIGALRM));
    pid_t child = FORK({
        sleep_ms(30);
        write(counter, &one, 8);
    });
    add(empty, counter, EPOLLIN, 40);
    show(empty, -1);
    reap(child);
    return wrong;
}
