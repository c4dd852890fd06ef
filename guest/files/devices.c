/*
 * devices -- /dev/null, zero, full, random, urandom, tty: what reading, writing, seeking and ioctl say
 */
#include "guest.h"
#include <sys/ioctl.h>
#include <termios.h>

int main(void)
{
    char text[64];
    struct stat st;
    struct termios termios;
    const char *names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    for (int i = 0; i < 5; i++) {
        int fd = open(names[i], O_RDWR);
        if (fd < 0) {
            out("%s: %s\n", names[i], errno_name(errno));
            continue;
        }
        memset(text, 'x', sizeof text);
        long got = read(fd, text, 20);
        int zero = 1;
        for (int j = 0; j < got; j++)
            zero &= text[j] == 0;
        long put = write(fd, "hello", 5);
        out("%s: read %ld %s, write %s, ", names[i], got, got == 0 ? "end" : zero ? "zeros" : "random", put < 0 ? errno_name(errno) : "works");
        long at = lseek(fd, 10, SEEK_SET);
        out("seek %s, ", at < 0 ? errno_name(errno) : "works");
        fstat(fd, &st);
        out("isatty %d, mode %#o\n", isatty(fd), st.st_mode & S_IFMT);
        close(fd);
    }
    TRY(open("/dev/nothing", O_RDONLY));
    setsid();
    pid_t child = FORK({
        setsid();
        TRY(open("/dev/tty", O_RDWR));
    });
    reap(child);
    int null = open("/dev/null", O_RDWR);
    TRY(ioctl(null, TCGETS, &termios));
    TRY(ioctl(null, FIONREAD, &st));
    TRY(ioctl(99, TCGETS, &termios));
    int pipes[2];
    pipe(pipes);
    TRY(ioctl(pipes[0], TCGETS, &termios));
    int on = 1;
    TRY(ioctl(pipes[0], FIONBIO, &on));
    TRY(read(pipes[0], text, 1));
    TRY(ioctl(pipes[0], FIOCLEX));
    TRY(fcntl(pipes[0], F_GETFD));
    TRY(ioctl(pipes[0], 0x12345678, 0));
    TRY(lseek(pipes[0], 0, SEEK_CUR));
    return 0;
}
