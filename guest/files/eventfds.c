/*
 * eventfds -- counters: adding, reading, semaphore mode, limits, blocking, polling
 */
#include "guest.h"
#include <sys/eventfd.h>

int main(void)
{
    uint64_t value = 0;
    int fd = MUST(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
    TRY(read(fd, &value, 8));
    out("value %d\n", (int)value);
    TRY(read(fd, &value, 8));
    value = 5;
    TRY(write(fd, &value, 8));
    TRY(write(fd, &value, 8));
    read(fd, &value, 8);
    out("5 + 5 = %d\n", (int)value);
    value = UINT64_MAX;
    TRY(write(fd, &value, 8));
    value = UINT64_MAX - 1;
    TRY(write(fd, &value, 8));
    value = 1;
    TRY(write(fd, &value, 8));
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    out("full: %#x\n", p.revents);
    TRY(read(fd, &value, 4));
    TRY(write(fd, &value, 4));
    read(fd, &value, 8);
    poll(&p, 1, 0);
    out("empty: %#x\n", p.revents);
    int semaphore = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    for (int i = 0; i < 3; i++) {
        value = 77;
        TRY(read(semaphore, &value, 8));
        out("  %d\n", (int)value);
    }
    TRY(eventfd(0, 0x99));
    int blocking = eventfd(0, 0);
    pid_t child = FORK({
        read(blocking, &value, 8);
        _exit(value);
    });
    await_state(child, "S");
    eventfd_write(blocking, 9);
    out("child read: %s\n", status_name(reap(child)));
    eventfd_write(blocking, UINT64_MAX - 1);
    child = FORK({
        value = 3;
        _exit(write(blocking, &value, 8));
    });
    await_state(child, "S");
    read(blocking, &value, 8);
    out("a blocked writer went on: %s\n", status_name(reap(child)));
    eventfd_read(blocking, &value);
    out("its value %d\n", (int)value);
    return 0;
}
