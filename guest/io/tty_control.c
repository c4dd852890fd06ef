/*
 * tty_control -- the terminal from inside: settings, window, sessions, background jobs
 * guest: native=probe
 *
 * Run on a terminal of its own, whose keys come from outside; it says what to type next.
 */
#include "guest.h"
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t counts[65];

static void on_signal(int number)
{
    counts[number]++;
}

static void show_termios(const char *what)
{
    struct termios t;
    if (tcgetattr(0, &t)) {
        out("%s: %s\n", what, errno_name(errno));
        return;
    }
    out("%s: iflag %#o oflag %#o cflag %#o lflag %#o min %d time %d\n", what, t.c_iflag & ~IUTF8, t.c_oflag, t.c_cflag, t.c_lflag,
        t.c_cc[VMIN], t.c_cc[VTIME]);
}

static void mode(tcflag_t off, int min, int time)
{
    struct termios t;
    MUST(tcgetattr(0, &t));
    t.c_lflag &= ~off;
    t.c_cc[VMIN] = min;
    t.c_cc[VTIME] = time;
    MUST(tcsetattr(0, TCSANOW, &t));
}

static void show_read(const char *what, int size)
{
    char text[256];
    char shown[600] = "";
    long got = read(0, text, size);
    for (long i = 0; i < got; i++)
        snprintf(shown + strlen(shown), 8, text[i] >= 32 && text[i] < 127 ? "%c" : "\\x%02x", (unsigned char)text[i]);
    out("%s: %ld %s%s\n", what, got, got < 0 ? errno_name(errno) : "", shown);
}

static void own_group(void)
{
    setpgid(0, 0);
}

int main(void)
{
    struct termios saved;
    struct winsize window;
    int queued;

    MUST(tcgetattr(0, &saved));
    show_termios("start");
    MUST(ioctl(0, TIOCGWINSZ, &window));
    out("window %d x %d\n", window.ws_row, window.ws_col);
    out("isatty %d %d %d\n", isatty(0), isatty(1), isatty(2));
    out("foreground is ours: %d\n", tcgetpgrp(0) == getpgrp());
    int controlling = MUST(open("/dev/tty", O_RDWR));
    out("/dev/tty is it too: %d\n", tcgetpgrp(controlling) == getpgrp());
    struct stat about;
    MUST(fstat(0, &about));
    out("a character device: %d, name %d\n", S_ISCHR(about.st_mode), ttyname(0) != NULL);

    out("type: a line\n");
    show_read("line", 100);
    out("type: a long one, in two reads\n");
    show_read("first", 4);
    show_read("second", 100);
    out("type: end of file\n");
    show_read("eof", 100);
    out("type: part, then end of file\n");
    show_read("part", 100);

    out("-- raw\n");
    mode(ICANON | ECHO, 1, 0);
    out("type: one key\n");
    show_read("key", 100);
    mode(0, 3, 0);
    out("type: three keys\n");
    show_read("keys", 100);
    mode(0, 0, 1);
    show_read("nothing typed", 100);
    mode(0, 0, 0);
    show_read("no wait", 100);
    fcntl(0, F_SETFL, O_RDWR | O_NONBLOCK);
    mode(0, 1, 0);
    show_read("nonblocking", 100);
    fcntl(0, F_SETFL, O_RDWR);
    struct pollfd one = {0, POLLIN | POLLOUT, 0};
    TRY(poll(&one, 1, 0));
    out("revents %#x\n", one.revents);
    out("type: for poll\n");
    one.events = POLLIN;
    TRY(poll(&one, 1, -1));
    sleep_ms(50);
    MUST(ioctl(0, FIONREAD, &queued));
    out("queued %d\n", queued);
    TRY(tcflush(0, TCIFLUSH));
    MUST(ioctl(0, FIONREAD, &queued));
    out("queued %d\n", queued);
    MUST(tcsetattr(0, TCSANOW, &saved));

    out("-- signals\n");
    signal(SIGINT, on_signal);
    signal(SIGQUIT, on_signal);
    signal(SIGWINCH, on_signal);
    signal(SIGTTOU, SIG_DFL);
    struct sigaction plain = {.sa_handler = on_signal};
    sigaction(SIGINT, &plain, NULL);
    out("type: interrupt\n");
    show_read("interrupted", 100);
    out("SIGINT %d\n", counts[SIGINT]);
    window.ws_row += 5;
    MUST(ioctl(0, TIOCSWINSZ, &window));
    MUST(ioctl(0, TIOCSWINSZ, &window));
    out("SIGWINCH %d\n", counts[SIGWINCH]);
    out("type: suspend\n");
    pid_t suspended = FORK({
        signal(SIGINT, SIG_DFL);
        own_group();
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(0, getpgrp());
        pause();
    });
    setpgid(suspended, suspended);
    int status;
    waitpid(suspended, &status, WUNTRACED);
    out("%s\n", status_name(status));
    kill(suspended, SIGKILL);
    reap(suspended);
    signal(SIGTTOU, SIG_IGN);
    TRY(tcsetpgrp(0, getpgrp()));
    signal(SIGTTOU, SIG_DFL);

    out("-- in the background\n");
    pid_t job = FORK({
        own_group();
        char byte;
        long got = read(0, &byte, 1);
        _exit(got < 0 ? 100 + errno : got);
    });
    setpgid(job, job);
    waitpid(job, &status, WUNTRACED);
    out("read: %s\n", status_name(status));
    kill(job, SIGKILL);
    reap(job);
    job = FORK({
        own_group();
        signal(SIGTTIN, SIG_IGN);
        char byte;
        long got = read(0, &byte, 1);
        _exit(got < 0 ? 100 + errno : got);
    });
    out("read, SIGTTIN ignored: %s (EIO is %d)\n", status_name(reap(job)), 100 + EIO);
    job = FORK({
        own_group();
        out("written from the background\n");
        struct termios t;
        tcgetattr(0, &t);
        tcsetattr(0, TCSANOW, &t);
    });
    setpgid(job, job);
    waitpid(job, &status, WUNTRACED);
    out("tcsetattr: %s\n", status_name(status));
    kill(job, SIGKILL);
    reap(job);
    struct termios tostop = saved;
    tostop.c_lflag |= TOSTOP;
    MUST(tcsetattr(0, TCSANOW, &tostop));
    job = FORK({
        own_group();
        write(1, "not seen\n", 9);
    });
    setpgid(job, job);
    waitpid(job, &status, WUNTRACED);
    out("write with TOSTOP: %s\n", status_name(status));
    kill(job, SIGKILL);
    reap(job);
    MUST(tcsetattr(0, TCSANOW, &saved));
    job = FORK({
        signal(SIGTTIN, SIG_DFL);
        if (fork())
            _exit(0);
        own_group();
        sleep_ms(50);
        char byte;
        long got = read(0, &byte, 1);
        out("orphaned read: %ld %s\n", got, got < 0 ? errno_name(errno) : "");
    });
    reap(job);
    sleep_ms(150);

    out("-- sessions\n");
    TRY(tcgetsid(0) == getsid(0));
    job = FORK({
        TRY(setsid() > 0);
        TRY(open("/dev/tty", O_RDWR));
        TRY(tcgetpgrp(0));
        TRY(tcgetsid(0));
        TRY(ioctl(0, TIOCSCTTY, 0));
        TRY(ioctl(0, TIOCNOTTY, 0));
        TRY(tcsetpgrp(0, getpgrp()));
        out("writing works\n");
    });
    reap(job);
    TRY(tcsetpgrp(0, 999999));
    TRY(tcsetpgrp(0, -1));
    TRY(ioctl(0, TIOCGETD, &queued));
    TRY(ioctl(0, 0x5499, &queued));
    TRY(ioctl(0, TIOCGWINSZ, (void *)8));
    tcflow(0, TCOOFF);
    fcntl(1, F_SETFL, O_RDWR | O_NONBLOCK);
    one = (struct pollfd){1, POLLOUT, 0};
    int found = poll(&one, 1, 0);
    long refused = write(1, "lost", 4);
    int why = errno;
    tcflow(0, TCOON);
    fcntl(1, F_SETFL, O_RDWR);
    out("stopped: poll %d, write %ld %s\n", found, refused, errno_name(why));
    TRY(tcdrain(1));
    TRY(tcsendbreak(1, 0));
    TRY(lseek(0, 0, SEEK_SET));
    return wrong;
}
