/*
 * fifos -- named pipes: opening waits for the other side, hang-up, both sides at once
 */
#include "guest.h"

static void on_signal(int number)
{
    (void)number;
}

static void show_poll(const char *what, int fd, int events)
{
    struct pollfd one = {fd, events, 0};
    int found = poll(&one, 1, 0);
    out("%s: poll %d revents %#x\n", what, found, one.revents);
}

int main(void)
{
    char text[64];
    struct stat about;
    MUST(mkfifo("fifo", 0640));
    MUST(stat("fifo", &about));
    out("mode %o\n", about.st_mode & (S_IFMT | 0700));
    TRY(open("fifo", O_WRONLY | O_NONBLOCK));
    pid_t writer = FORK({
        int fd = open("fifo", O_WRONLY);
        sleep_ms(20);
        write(fd, "through", 7);
    });
    int fd = MUST(open("fifo", O_RDONLY));
    TRY(read(fd, text, sizeof text));
    TRY(read(fd, text, sizeof text));
    reap(writer);
    show_poll("writer gone", fd, POLLIN);
    int again = MUST(open("fifo", O_WRONLY | O_NONBLOCK));
    show_poll("another writer", fd, POLLIN);
    TRY(write(again, "more", 4));
    show_poll("written", fd, POLLIN);
    close(again);
    TRY(read(fd, text, sizeof text));
    close(fd);

    out("-- a reader that does not wait\n");
    fd = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    show_poll("no writer yet", fd, POLLIN);
    TRY(read(fd, text, sizeof text));
    again = MUST(open("fifo", O_WRONLY));
    TRY(read(fd, text, sizeof text));
    close(again);
    show_poll("had a writer", fd, POLLIN);
    close(fd);

    out("-- both sides\n");
    fd = MUST(open("fifo", O_RDWR));
    show_poll("empty", fd, POLLIN | POLLOUT);
    TRY(write(fd, "self", 4));
    show_poll("written", fd, POLLIN | POLLOUT);
    TRY(read(fd, text, sizeof text));
    close(fd);
    fd = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    TRY(read(fd, text, sizeof text));
    close(fd);

    out("-- what was written is lost when all have closed it\n");
    fd = MUST(open("fifo", O_RDWR));
    TRY(write(fd, "lost", 4));
    close(fd);
    fd = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    TRY(read(fd, text, sizeof text));
    close(fd);

    out("-- a signal ends the open\n");
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    TRY(open("fifo", O_RDONLY));
    setitimer(ITIMER_REAL, &soon, NULL);
    TRY(open("fifo", O_WRONLY));

    out("-- a partner that comes and goes is enough\n");
    pid_t brief = FORK({
        sleep_ms(20);
        close(open("fifo", O_WRONLY | O_NONBLOCK));
    });
    fd = MUST(open("fifo", O_RDONLY));
    TRY(read(fd, text, sizeof text));
    reap(brief);
    MUST(unlink("fifo"));
    TRY(mkfifo("fifo/none", 0600));
    return wrong;
}
