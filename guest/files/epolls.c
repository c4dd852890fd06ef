/*
 * epolls -- level and edge triggered, one-shot, exclusive, nesting, removal by close, errors
 */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep;

static void show(const char *what, int timeout)
{
    struct epoll_event events[8];
    int count = epoll_wait(ep, events, 8, timeout);
    out("%s: %d", what, count);
    for (int i = 0; i < count; i++)
        out(" [%u %#x]", events[i].data.u32, events[i].events);
    out("\n");
}

static int control(int op, int fd, unsigned events, unsigned data)
{
    struct epoll_event e = {.events = events, .data.u32 = data};
    return epoll_ctl(ep, op, fd, &e);
}

int main(void)
{
    int a[2], b[2];
    char byte, block[10];
    MUST(pipe(a));
    MUST(pipe(b));
    ep = MUST(epoll_create1(EPOLL_CLOEXEC));
    TRY(control(EPOLL_CTL_ADD, a[0], EPOLLIN, 1));
    TRY(control(EPOLL_CTL_ADD, a[0], EPOLLIN, 1));
    TRY(control(EPOLL_CTL_MOD, b[0], EPOLLIN, 1));
    TRY(control(EPOLL_CTL_DEL, b[0], 0, 0));
    show("nothing", 0);
    write(a[1], "xx", 2);
    show("level", 0);
    show("level again", 0);
    read(a[0], &byte, 1);
    show("one byte left", 0);
    TRY(control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 2));
    show("edge after MOD", 0);
    show("edge again", 0);
    write(a[1], "x", 1);
    show("edge after a write", 0);
    read(a[0], block, 10);
    show("edge, empty", 0);
    TRY(control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 3));
    write(a[1], "x", 1);
    show("one-shot", 0);
    show("one-shot again", 0);
    TRY(control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 4));
    show("re-armed", 0);
    read(a[0], block, 10);
    TRY(control(EPOLL_CTL_MOD, a[0], EPOLLIN, 5));
    TRY(control(EPOLL_CTL_ADD, b[1], EPOLLOUT, 6));
    show("writable", 0);
    TRY(control(EPOLL_CTL_MOD, b[1], EPOLLOUT | EPOLLET, 6));
    show("writable edge", 0);
    show("writable edge again", 0);
    close(a[1]);
    show("hang-up", 0);
    TRY(control(EPOLL_CTL_DEL, a[0], 0, 0));

    /* Nested. */
    int inner = epoll_create1(0), outer = ep;
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = 70};
    TRY(epoll_ctl(inner, EPOLL_CTL_ADD, b[0], &e));
    TRY(control(EPOLL_CTL_ADD, inner, EPOLLIN, 7));
    show("nested, nothing", 0);
    write(b[1], "n", 1);
    struct epoll_event both[4];
    int count = epoll_wait(outer, both, 4, 0), nested = 0;
    for (int i = 0; i < count; i++)
        nested += both[i].data.u32 == 7;
    out("nested, ready: %d\n", nested);
    TRY(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &e));
    TRY(control(EPOLL_CTL_ADD, outer, EPOLLIN, 8));
    struct pollfd p = {inner, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    read(b[0], block, 10);
    TRY(poll(&p, 1, 0));
    close(inner);

    /* Closing removes, unless a duplicate keeps the description open. */
    int c[2];
    MUST(pipe(c));
    TRY(control(EPOLL_CTL_DEL, b[1], 0, 0));
    TRY(control(EPOLL_CTL_ADD, c[0], EPOLLIN, 9));
    int copy = dup(c[0]);
    write(c[1], "d", 1);
    close(c[0]);
    show("closed, but a duplicate lives", 0);
    close(copy);
    show("closed for good", 0);

    int event = eventfd(0, 0);
    TRY(control(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE, 10));
    TRY(control(EPOLL_CTL_MOD, event, EPOLLIN, 10));
    pid_t child = FORK({
        sleep_ms(20);
        eventfd_write(event, 1);
    });
    show("woken by a child", 5000);
    reap(child);
    long before = now_ms();
    uint64_t value;
    read(event, &value, 8);
    show("timeout", 40);
    expect(now_ms() - before >= 39, "it waited");
    sigset_t none;
    sigemptyset(&none);
    TRY(epoll_pwait(ep, both, 4, 0, &none));
    TRY(epoll_wait(ep, both, 0, 0));
    TRY(epoll_wait(ep, both, -1, 0));
    TRY(epoll_wait(ep, (struct epoll_event *)8, 1, 0));
    TRY(epoll_wait(event, both, 1, 0));
    TRY(epoll_wait(99, both, 1, 0));
    TRY(epoll_create(0));
    TRY(epoll_create1(0x77));
    int file = open("/proc/self/exe", O_RDONLY);
    TRY(control(EPOLL_CTL_ADD, file, EPOLLIN, 11));
    TRY(control(EPOLL_CTL_ADD, 99, EPOLLIN, 11));
    TRY(control(77, event, EPOLLIN, 11));
    /* Ready ones are handed out in turn when there is room for one only. */
    MUST(pipe(a));
    MUST(pipe(c));
    control(EPOLL_CTL_ADD, a[0], EPOLLIN, 20);
    control(EPOLL_CTL_ADD, c[0], EPOLLIN, 21);
    write(a[1], "x", 1);
    write(c[1], "x", 1);
    for (int i = 0; i < 4; i++) {
        epoll_wait(ep, both, 1, 0);
        out("turn %d: %u\n", i, both[0].data.u32);
    }
    return wrong;
}
