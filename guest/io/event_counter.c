/*
 * event_counter -- eventfd: counting, semaphores, overflow, blocking
 */
#include "guest.h"
#include <sys/eventfd.h>

static int show_poll(int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT, 0};
    poll(&one, 1, 0);
    return one.revents;
}

int main(void)
{
    uint64_t value[2] = {0, 0};
    int fd = MUST(eventfd(3, EFD_NONBLOCK));
    out("poll %#x\n", show_poll(fd));
    TRY(read(fd, value, 8));
    out("value %d\n", (int)value[0]);
    TRY(read(fd, value, 8));
    out("poll %#x\n", show_poll(fd));
    TRY(read(fd, value, 7));
    TRY(write(fd, value, 7));
    value[0] = value[1] = 5;
    TRY(write(fd, value, 16));
    TRY(read(fd, value, 16));
    out("value %d\n", (int)value[0]);
    value[0] = -1;
    TRY(write(fd, value, 8));
    value[0] = -2;
    TRY(write(fd, value, 8));
    out("poll %#x\n", show_poll(fd));
    value[0] = 1;
    TRY(write(fd, value, 8));
    value[0] = 0;
    TRY(write(fd, value, 8));
    TRY(read(fd, value, 8));
    expect(value[0] == (uint64_t)-2, "the largest count");
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(pread(fd, value, 8, 0));

    int semaphore = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
    out("cloexec %d\n", (int)fcntl(semaphore, F_GETFD));
    for (int i = 0; i < 3; i++)
        if (TRY(read(semaphore, value, 8)) == 8)
            out("value %d\n", (int)value[0]);

    int blocking = MUST(eventfd(0, 0));
    pid_t child = FORK({
        uint64_t one = 7;
        sleep_ms(20);
        write(blocking, &one, 8);
        one = -2;
        sleep_ms(20);
        write(blocking, &one, 8);
        one = 9;
        write(blocking, &one, 8);
        _exit(4);
    });
    MUST(read(blocking, value, 8));
    out("value %d\n", (int)value[0]);
    sleep_ms(60);
    out("the child waits for room: %d\n", (int)waitpid(child, NULL, WNOHANG));
    MUST(read(blocking, value, 8));
    out("%s\n", status_name(reap(child)));
    MUST(read(blocking, value, 8));
    out("value %d\n", (int)value[0]);
    TRY(eventfd(0, 0x1000));
    return wrong;
}
