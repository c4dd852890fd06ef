/*
 * polling -- poll, ppoll, select, pselect on pipes, files and bad descriptors; timeouts and wake-ups
 */
#include "guest.h"
#include <sys/select.h>

static void show(struct pollfd *p, int count, int result)
{
    out("  %d:", result);
    for (int i = 0; i < count; i++)
        out(" %#x", p[i].revents);
    out("\n");
}

int main(void)
{
    int a[2], b[2];
    char block[4096];
    MUST(pipe(a));
    MUST(pipe(b));
    struct pollfd p[4] = {{a[0], POLLIN, 0}, {a[1], POLLOUT, 0}, {-5, POLLIN, 0}, {99, POLLIN, 0}};
    show(p, 4, poll(p, 4, 0));
    write(a[1], "x", 1);
    show(p, 3, poll(p, 3, -1));
    p[0].events = POLLOUT;
    p[1].events = POLLIN;
    show(p, 2, poll(p, 2, 0));
    read(a[0], block, 1);
    close(a[1]);
    p[0].events = POLLIN;
    out("writer gone:\n");
    show(p, 1, poll(p, 1, 0));
    close(b[0]);
    out("reader gone:\n");
    p[0] = (struct pollfd){b[1], POLLOUT, 0};
    show(p, 1, poll(p, 1, 0));
    MUST(pipe(a));
    fcntl(a[1], F_SETFL, O_NONBLOCK);
    while (write(a[1], block, 4096) > 0)
        ;
    out("full:\n");
    p[0] = (struct pollfd){a[1], POLLOUT, 0};
    show(p, 1, poll(p, 1, 0));
    read(a[0], block, 1);
    show(p, 1, poll(p, 1, 0));
    read(a[0], block, 4096);
    show(p, 1, poll(p, 1, 0));
    int file = memfd_create("file", 0);
    p[0] = (struct pollfd){file, POLLIN | POLLOUT | POLLPRI, 0};
    out("a file is always ready:\n");
    show(p, 1, poll(p, 1, 0));
    long before = now_ms();
    TRY(poll(NULL, 0, 50));
    expect(now_ms() - before >= 49, "it waited");
    TRY(poll(p, -1, 0));
    struct timespec bad = {0, 1000000000};
    TRY(ppoll(p, 1, &bad, NULL));

    MUST(pipe(b));
    pid_t child = FORK({
        sleep_ms(30);
        write(b[1], "y", 1);
    });
    p[0] = (struct pollfd){b[0], POLLIN, 0};
    out("woken by a child:\n");
    show(p, 1, poll(p, 1, 5000));
    reap(child);

    fd_set r, w, e;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    FD_SET(b[0], &r);
    FD_SET(b[1], &w);
    FD_SET(file, &r);
    FD_SET(b[0], &e);
    struct timeval t = {0, 0};
    TRY(select(20, &r, &w, &e, &t));
    out("read %d write %d file %d except %d\n", !!FD_ISSET(b[0], &r), !!FD_ISSET(b[1], &w), !!FD_ISSET(file, &r), !!FD_ISSET(b[0], &e));
    read(b[0], block, 10);
    FD_ZERO(&r);
    FD_SET(b[0], &r);
    t = (struct timeval){0, 40000};
    before = now_ms();
    TRY(select(20, &r, NULL, NULL, &t));
    expect(now_ms() - before >= 39 && !FD_ISSET(b[0], &r), "timeout clears the sets");
    out("left %ld.%06ld\n", (long)t.tv_sec, (long)t.tv_usec);
    FD_SET(30, &r);
    TRY(select(31, &r, NULL, NULL, &t));
    TRY(select(-1, NULL, NULL, NULL, &t));
    t.tv_usec = -1;
    TRY(syscall(SYS_select, 0, NULL, NULL, NULL, &t));
    t = (struct timeval){0, 10000};
    TRY(select(0, NULL, NULL, NULL, &t));
    FD_ZERO(&r);
    FD_SET(b[0], &r);
    child = FORK({
        sleep_ms(20);
        close(b[0]);
        write(b[1], "z", 1);
    });
    TRY(select(20, &r, NULL, NULL, NULL));
    reap(child);
    struct timespec ts = {0, 10000000};
    FD_ZERO(&r);
    TRY(pselect(5, &r, NULL, NULL, &ts, NULL));
    return wrong;
}
