/*
 * pty_session -- a session on a pseudo terminal: who controls it, whom its keys reach, and what a hang-up does
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "guest.h"

static int master, report[2];
static char name[32];

static void opened(void)
{
    int number, lock = 0;
    master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    MUST(ioctl(master, TIOCSPTLCK, &lock));
    MUST(ioctl(master, TIOCGPTN, &number));
    snprintf(name, sizeof name, "/dev/pts/%d", number);
}

static void say(int signal)
{
    out("  %s\n", signal_name(signal));
}

static volatile int hang_ups;

static void hung_up(int signal)
{
    (void)signal;
    hang_ups++;
}

/* The child tells that it has come so far, the parent waits for it. */
static void ready(void)
{
    MUST(write(report[1], "r", 1));
}

static void await(void)
{
    char byte;
    MUST(read(report[0], &byte, 1));
}

static void drain(void)
{
    char data[256];
    struct pollfd poller = {.fd = master, .events = POLLIN};
    while (poll(&poller, 1, 20) == 1 && read(master, data, sizeof data) > 0)
        ;
}

int main(void)
{
    pid_t child;
    MUST(pipe(report));

    out("-- becoming the controlling terminal\n");
    opened();
    child = FORK({
        TRY(open("/dev/tty", O_RDWR));
        MUST(setsid());
        TRY(open("/dev/tty", O_RDWR));
        int slave = MUST(open(name, O_RDWR | O_NOCTTY));
        TRY(open("/dev/tty", O_RDWR));
        TRY(tcgetpgrp(slave));
        TRY(ioctl(slave, TIOCSCTTY, 0));
        TRY_OK(open("/dev/tty", O_RDWR));
        expect(tcgetpgrp(slave) == getpid() && tcgetsid(slave) == getpid(), "own group and session");
        TRY(ioctl(slave, TIOCSCTTY, 0));
        expect(tcgetpgrp(master) == getpid() && tcgetsid(master) == getpid(), "the master tells the same");
        int second = -1, lock = 0;
        int another = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY));
        MUST(ioctl(another, TIOCSPTLCK, &lock));
        second = MUST(ioctl(another, TIOCGPTPEER, O_RDWR));
        TRY(ioctl(second, TIOCSCTTY, 0));
        TRY(tcgetpgrp(second));
        TRY(tcsetpgrp(second, getpid()));
        TRY(tcsetpgrp(slave, 1));
        TRY(tcsetpgrp(slave, 99999));
        signal(SIGHUP, say), signal(SIGCONT, say);
        TRY(ioctl(slave, TIOCNOTTY));
        TRY(ioctl(slave, TIOCNOTTY));
        TRY(open("/dev/tty", O_RDWR));
    });
    out("child %s\n", status_name(reap(child)));
    child = FORK({
        MUST(setsid());
        int slave = MUST(open(name, O_RDWR));
        expect(tcgetpgrp(slave) == getpid(), "opening it is enough");
        close(slave);
        TRY_OK(open("/dev/tty", O_RDWR));
        pid_t grandchild = FORK({
            TRY_OK(open("/dev/tty", O_RDWR));
            MUST(setsid());
            TRY(open("/dev/tty", O_RDWR));
            int stolen = MUST(open(name, O_RDWR));
            TRY(tcgetpgrp(stolen));
            TRY(ioctl(stolen, TIOCSCTTY, 0));
        });
        out("  grandchild %s\n", status_name(reap(grandchild)));
    });
    out("child %s\n", status_name(reap(child)));
    close(master);

    out("-- keys\n");
    opened();
    child = FORK({
        MUST(setsid());
        int slave = MUST(open(name, O_RDWR));
        signal(SIGINT, say), signal(SIGQUIT, say), signal(SIGWINCH, say), signal(SIGTSTP, say);
        pid_t job = FORK({
            MUST(setpgid(0, 0));
            signal(SIGTTOU, SIG_IGN);
            MUST(tcsetpgrp(slave, getpid()));
            signal(SIGINT, SIG_DFL);
            ready();
            pause();
        });
        out("  job %s\n", status_name(reap(job)));
        ready();
        signal(SIGTTOU, SIG_IGN);
        MUST(tcsetpgrp(slave, getpid()));
        for (int i = 0; i < 4; i++) {
            ready();
            pause();
        }
        ready();
    });
    await();
    MUST(write(master, "\003", 1));
    await();
    await();
    sleep_ms(20);
    MUST(write(master, "\003", 1));
    await();
    sleep_ms(20);
    MUST(write(master, "\034", 1));
    await();
    sleep_ms(20);
    struct winsize size = {.ws_row = 10, .ws_col = 20};
    MUST(ioctl(master, TIOCSWINSZ, &size));
    MUST(ioctl(master, TIOCSWINSZ, &size));
    await();
    sleep_ms(20);
    int sent = ioctl(master, TIOCSIG, SIGTSTP);
    await();
    out("TIOCSIG %d\n", sent);
    out("child %s\n", status_name(reap(child)));
    drain();
    close(master);

    out("-- in the background\n");
    opened();
    child = FORK({
        MUST(setsid());
        int slave = MUST(open(name, O_RDWR));
        int status;
        pid_t job = FORK({
            MUST(setpgid(0, 0));
            char byte;
            TRY(read(slave, &byte, 1));
            raise(SIGSTOP);
            struct termios settings;
            MUST(tcgetattr(slave, &settings));
            settings.c_lflag |= TOSTOP;
            TRY(tcsetattr(slave, TCSANOW, &settings));
            raise(SIGSTOP);
            TRY(write(slave, "x", 1));
            raise(SIGSTOP);
            signal(SIGTTIN, SIG_IGN), signal(SIGTTOU, SIG_IGN);
            TRY(read(slave, &byte, 1));
            TRY(write(slave, "x", 1));
        });
        signal(SIGTTOU, SIG_IGN);
        for (int i = 0; i < 6; i++) {
            MUST(waitpid(job, &status, WUNTRACED));
            out("  job %s\n", status_name(status));
            /* What stopped it for want of the terminal gets it, what stopped itself does not. */
            MUST(tcsetpgrp(slave, WSTOPSIG(status) == SIGSTOP ? getpid() : job));
            if (i == 0)
                ready();
            MUST(kill(job, SIGCONT));
        }
        out("  job %s\n", status_name(reap(job)));
    });
    await();
    MUST(write(master, "k\n", 2));
    out("child %s\n", status_name(reap(child)));
    drain();
    close(master);

    out("-- the master is closed\n");
    opened();
    child = FORK({
        MUST(setsid());
        int slave = MUST(open(name, O_RDWR));
        char byte;
        handle(SIGHUP, say, 0);
        handle(SIGCONT, say, 0);
        close(master);
        ready();
        TRY(read(slave, &byte, 1));
        TRY(read(slave, &byte, 1));
        TRY(write(slave, "x", 1));
        TRY(open("/dev/tty", O_RDWR));
    });
    await();
    await_state(child, "S");
    close(master);
    out("child %s\n", status_name(reap(child)));

    out("-- the leader exits\n");
    opened();
    child = FORK({
        MUST(setsid());
        int slave = MUST(open(name, O_RDWR | O_NONBLOCK));
        if (fork() == 0) {
            handle(SIGHUP, hung_up, 0);
            ready();
            while (!hang_ups)
                sleep_ms(1);
            out("  hung up\n");
            char data;
            TRY(read(slave, &data, 1));
            TRY(open("/dev/tty", O_RDWR));
            TRY(write(slave, "left", 4));
            _exit(0);
        }
        await();
        _exit(3);
    });
    int status = reap(child);
    close(report[1]);
    char byte;
    TRY(read(report[0], &byte, 1)); /* the end of the one that was left */
    out("child %s\n", status_name(status));
    char data[16];
    ssize_t got = read(master, data, sizeof data);
    out("read %zd: %.*s\n", got, got > 0 ? (int)got : 0, data);
    TRY(read(master, &byte, 1));
    return 0;
}
