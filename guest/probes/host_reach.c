/*
 * host_reach -- things of the host that a program in the machine must not see or touch
 *
 * Prints what it finds; the test that runs it knows what must not be there. Arguments: PATH to look at, PID to signal.
 * guest: native=probe
 */
#include "guest.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end;
        long number = strtol(argv[i], &end, 10);
        if (*end == 0) {
            out("kill(%s, 0): %s\n", argv[i], kill(number, 0) ? errno_name(errno) : "reached");
            out("kill(%s, SIGTERM): %s\n", argv[i], kill(number, SIGTERM) ? errno_name(errno) : "reached");
            char path[64];
            snprintf(path, sizeof path, "/proc/%s/status", argv[i]);
            out("/proc: %s\n", access(path, F_OK) ? errno_name(errno) : "visible");
            continue;
        }
        char text[200] = "";
        int fd = open(argv[i], O_RDONLY);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        out("read: %s\n", fd < 0 ? errno_name(errno) : length < 0 ? "unreadable" : text);
        fd = open(argv[i], O_WRONLY | O_CREAT | O_APPEND, 0644);
        out("append: %s\n", fd < 0 ? errno_name(errno) : write(fd, "guest was here\n", 15) < 0 ? errno_name(errno) : "accepted");
        fd = open(argv[i], O_RDONLY);
        length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        out("read back: %s\n", text);
    }
    for (int fd = 3; fd < 200; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            out("descriptor %d is open\n", fd);
    return 0;
}
