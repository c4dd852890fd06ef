/*
 * pty_lines -- a pseudo terminal with both ends in one process: names, locks, lines, settings, sizes, closing
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "guest.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int master, slave;
static char name[32];

static int events(int fd)
{
    struct pollfd poller = {.fd = fd, .events = 0x7fff};
    return poll(&poller, 1, 0) == 1 ? poller.revents : 0;
}

static void take(const char *what, int fd)
{
    char data[256];
    ssize_t got = read(fd, data, sizeof data);
    if (got < 0) {
        out("%s: %s\n", what, errno_name(errno));
        return;
    }
    out("%s: %zd", what, got);
    for (ssize_t i = 0; i < got; i++)
        out(data[i] < 32 || data[i] == 127 ? " %02x" : " %c", (unsigned char)data[i]);
    out("\n");
}

/* What arrives may take a moment on a real kernel. */
static void take_soon(const char *what, int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    poll(&poller, 1, 1000);
    take(what, fd);
}

static void unlocked(void)
{
    int number = -1, lock = 0;
    master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    MUST(ioctl(master, TIOCSPTLCK, &lock));
    MUST(ioctl(master, TIOCGPTN, &number));
    snprintf(name, sizeof name, "/dev/pts/%d", number);
}

int main(void)
{
    int value = -1;
    struct termios settings;
    struct winsize size;
    struct stat status;

    out("-- the master\n");
    master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    TRY(ioctl(master, TIOCGPTLCK, &value));
    out("locked: %d\n", value);
    MUST(ioctl(master, TIOCGPTN, &value));
    snprintf(name, sizeof name, "/dev/pts/%d", value);
    TRY(open(name, O_RDWR | O_NOCTTY));
    out("events %#x\n", events(master));
    take("before the slave was ever open", master);
    TRY(isatty(master));
    MUST(fstat(master, &status));
    out("device %#lx, mode %o\n", (long)status.st_rdev, status.st_mode & S_IFMT);
    close(master);
    TRY(open(name, O_RDWR | O_NOCTTY));

    unlocked();
    slave = MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
    MUST(fstat(slave, &status));
    expect(status.st_rdev >> 8 == 136 && S_ISCHR(status.st_mode) && (status.st_mode & 0600) == 0600, "the slave's node");
    TRY(ioctl(slave, TIOCGPTN, &value));
    TRY(ioctl(slave, TIOCPKT, &value));

    out("-- lines\n");
    out("events %#x %#x\n", events(master), events(slave));
    TRY(write(slave, "out\n", 4));
    take_soon("master", master);
    TRY(write(master, "in\n", 3));
    take_soon("echo", master);
    take_soon("slave", slave);
    TRY(write(master, "half", 4));
    take_soon("echo", master);
    take("slave has no line", slave);
    TRY(write(master, "\177\025new\n", 6));
    take_soon("echo", master);
    take_soon("slave", slave);
    TRY(write(master, "\004", 1));
    take_soon("end of file", slave);
    out("events %#x %#x\n", events(master), events(slave));
    TRY(ioctl(master, TIOCOUTQ, &value));
    TRY(write(slave, "abc", 3));
    sleep_ms(5);
    TRY(ioctl(master, FIONREAD, &value));
    out("queued for the master %d\n", value);
    take_soon("master", master);

    out("-- settings\n");
    TRY(tcgetattr(master, &settings));
    out("%#o %#o %#o %#o\n", settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag);
    settings.c_lflag &= ~(ICANON | ECHO | ISIG);
    settings.c_oflag &= ~OPOST;
    settings.c_iflag &= ~(ICRNL | IXON);
    TRY(tcsetattr(master, TCSANOW, &settings));
    TRY(tcgetattr(slave, &settings));
    out("%#o %#o %#o %#o\n", settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag);
    TRY(write(master, "\003raw\r", 5));
    take_soon("slave", slave);
    TRY(write(slave, "raw\n", 4));
    take_soon("master", master);
    TRY(ioctl(slave, TIOCGWINSZ, &size));
    out("%d x %d\n", size.ws_row, size.ws_col);
    size.ws_row = 24, size.ws_col = 80;
    TRY(ioctl(master, TIOCSWINSZ, &size));
    size.ws_row = size.ws_col = 0;
    TRY(ioctl(slave, TIOCGWINSZ, &size));
    out("%d x %d\n", size.ws_row, size.ws_col);
    TRY(tcgetpgrp(master) == -1 ? -1 : 0);
    TRY(tcgetpgrp(slave));
    TRY(tcsetpgrp(master, getpgrp()));

    out("-- much\n");
    static char block[4000];
    long typed = 0, written = 0, got;
    while ((got = write(slave, block, sizeof block)) > 0)
        written += got;
    out("slave writes until %s\n", errno_name(errno));
    expect(written > 4096 && written < 200000, "a buffer of some size");
    long seen = 0;
    while (sleep_ms(1), (got = read(master, block, sizeof block)) > 0)
        seen += got;
    expect(seen == written, "all of it arrives");
    while ((got = write(master, block, sizeof block)) > 0)
        typed += got;
    out("master writes until %s\n", errno_name(errno));
    expect(typed > 4096 && typed < 200000, "a buffer of some size");
    TRY(tcflush(slave, TCIFLUSH));

    out("-- the slave is closed\n");
    TRY(write(slave, "last", 4));
    close(slave);
    sleep_ms(5);
    out("events %#x\n", events(master));
    take("master", master);
    take("master", master);
    out("events %#x\n", events(master));
    slave = MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
    out("opened again: events %#x\n", events(master));
    take("master", master);
    int other = TRY_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    out("flags %#x\n", fcntl(other, F_GETFD));
    close(other);
    out("one is left: events %#x\n", events(master));

    out("-- the master is closed\n");
    close(master);
    out("events %#x\n", events(slave));
    take("slave", slave);
    TRY(write(slave, "x", 1));
    TRY(ioctl(slave, TIOCGWINSZ, &size));
    TRY(tcgetattr(slave, &settings));
    TRY(tcsetpgrp(slave, getpgrp()));
    TRY(open(name, O_RDWR | O_NOCTTY));
    close(slave);

    out("-- exclusive\n");
    unlocked();
    slave = MUST(open(name, O_RDWR | O_NOCTTY));
    TRY(ioctl(slave, TIOCGEXCL, &value));
    TRY(ioctl(slave, TIOCEXCL));
    TRY(ioctl(slave, TIOCGEXCL, &value));
    out("%d\n", value);
    TRY(ioctl(slave, TIOCNXCL));
    return 0;
}
