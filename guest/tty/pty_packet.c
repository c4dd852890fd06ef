/*
 * pty_packet -- a master in packet mode is told what happens to the terminal
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "guest.h"

static int master, slave;

static void told(const char *what)
{
    unsigned char data[64];
    struct pollfd poller = {.fd = master, .events = POLLIN | POLLPRI};
    out("%s:", what);
    while (poll(&poller, 1, 20) == 1) {
        out(" [%#x", poller.revents);
        ssize_t got = read(master, data, sizeof data);
        for (ssize_t i = 0; i < got; i++)
            out(" %02x", data[i]);
        out("]");
    }
    out("\n");
}

int main(void)
{
    int on = 1, value = -1, lock = 0;
    struct termios settings;

    master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    MUST(ioctl(master, TIOCSPTLCK, &lock));
    slave = MUST(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    TRY(ioctl(master, TIOCGPKT, &value));
    TRY(ioctl(master, TIOCPKT, &on));
    TRY(ioctl(master, TIOCGPKT, &value));
    out("packet mode %d\n", value);
    MUST(write(slave, "hi", 2));
    told("data");
    MUST(tcflush(slave, TCIFLUSH));
    told("input flushed");
    MUST(tcflush(slave, TCOFLUSH));
    told("output flushed");
    MUST(tcflush(slave, TCIOFLUSH));
    told("both flushed");
    MUST(tcflow(slave, TCOOFF));
    told("stopped");
    MUST(tcflow(slave, TCOON));
    told("started");
    MUST(tcgetattr(slave, &settings));
    settings.c_iflag &= ~IXON;
    MUST(tcsetattr(slave, TCSANOW, &settings));
    told("no flow control");
    settings.c_iflag |= IXON;
    MUST(tcsetattr(slave, TCSANOW, &settings));
    told("flow control");
    settings.c_lflag &= ~ECHO;
    MUST(tcsetattr(slave, TCSANOW, &settings));
    told("no echo");
    MUST(write(master, "\023", 1));
    told("ctrl-S");
    MUST(write(master, "\021", 1));
    told("ctrl-Q");
    MUST(write(slave, "more", 4));
    MUST(tcflush(slave, TCIFLUSH));
    told("status comes first");
    close(slave);
    char byte;
    TRY(read(master, &byte, 1));
    return 0;
}
