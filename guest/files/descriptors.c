/*
 * descriptors -- dup, dup2, dup3, close_range, FD_CLOEXEC, lowest free number, shared offsets
 */
#include "guest.h"

static void open_ones(const char *when)
{
    char text[200];
    int length = 0;
    for (int fd = 0; fd < 40; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            length += snprintf(text + length, sizeof text - length, " %d%s", fd, fcntl(fd, F_GETFD) ? "c" : "");
    out("%s:%s\n", when, text);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        open_ones("after exec");
        return 0;
    }
    char text[8] = "";
    open_ones("at start");
    int fd = memfd_create("x", 0);
    write(fd, "abcdef", 6);
    lseek(fd, 1, SEEK_SET);
    TRY(dup(fd));
    TRY(dup2(fd, 10));
    TRY(dup2(fd, fd));
    TRY(dup2(99, 11));
    TRY(dup2(99, 99));
    TRY(dup2(fd, -1));
    TRY(syscall(SYS_dup3, fd, 12, O_CLOEXEC));
    TRY(syscall(SYS_dup3, fd, fd, 0));
    TRY(syscall(SYS_dup3, fd, 13, 1));
    TRY(fcntl(fd, F_DUPFD, 5));
    TRY(fcntl(fd, F_DUPFD_CLOEXEC, 5));
    TRY(fcntl(fd, F_DUPFD, -1));
    open_ones("after duplicating");
    read(10, text, 1);
    read(4, text + 1, 1);
    out("shared offset: %s\n", text);
    fcntl(10, F_SETFL, O_APPEND);
    out("shared status flags: %#o\n", fcntl(4, F_GETFL) & O_APPEND);
    TRY(fcntl(10, F_SETFD, FD_CLOEXEC));
    TRY(fcntl(10, F_GETFD));
    TRY(fcntl(4, F_GETFD));
    TRY(close(4));
    TRY(close(4));
    TRY(close(-1));
    TRY(open("/dev/null", O_RDONLY));
    TRY(syscall(436 /* close_range */, 11, 12, 0));
    open_ones("after close_range");
    TRY(syscall(436, 5, 6, 4 /* CLOSE_RANGE_CLOEXEC */));
    TRY(syscall(436, 9, 3, 0));
    TRY(syscall(436, 9, 13, 99));
    open_ones("at the end");
    TRY(fcntl(3, 9999, 0));
    TRY(fcntl(99, F_GETFD));
    execl("/proc/self/exe", "x", "y", (char *)NULL);
    return 1;
}
