/*
 * timer_fd -- timers read from a descriptor: counts, poll, absolute times, gettime, errors
 */
#include "guest.h"
#include <sys/timerfd.h>

static void arm(int fd, int flags, long value_ms, long interval_ms)
{
    struct itimerspec spec = {{interval_ms / 1000, interval_ms % 1000 * 1000000}, {value_ms / 1000, value_ms % 1000 * 1000000}};
    MUST(timerfd_settime(fd, flags, &spec, NULL));
}

int main(void)
{
    uint64_t ticks = 0;
    struct itimerspec spec;
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    struct pollfd wait_for = {fd, POLLIN, 0};
    TRY(read(fd, &ticks, 8));
    arm(fd, 0, 20, 0);
    TRY(poll(&wait_for, 1, 0));
    TRY(poll(&wait_for, 1, 5000));
    TRY(read(fd, &ticks, 8));
    out("ticks %d\n", (int)ticks);
    TRY(read(fd, &ticks, 8));
    arm(fd, 0, 10, 10);
    sleep_ms(105);
    TRY(read(fd, &ticks, 8));
    expect(ticks >= 9, "several expirations in one count");
    TRY(timerfd_gettime(fd, &spec));
    expect(spec.it_interval.tv_nsec == 10000000 && spec.it_value.tv_nsec <= 10000000, "gettime");
    arm(fd, 0, 0, 0);
    TRY(read(fd, &ticks, 8));
    arm(fd, TFD_TIMER_ABSTIME, 1, 0);
    TRY(poll(&wait_for, 1, 1000));
    TRY(read(fd, &ticks, 8));
    arm(fd, 0, 5, 0);
    sleep_ms(20);
    arm(fd, 0, 5000, 0);
    out("setting it again clears what had expired\n");
    TRY(read(fd, &ticks, 8));
    TRY(read(fd, &ticks, 4));
    TRY(write(fd, &ticks, 8));
    arm(fd, 0, 30, 0);
    fcntl(fd, F_SETFL, 0);
    pid_t child = FORK({
        ticks = 0;
        read(fd, &ticks, 8);
        _exit(ticks);
    });
    out("a child shares it: %s\n", status_name(reap(child)));
    TRY(timerfd_create(99, 0));
    TRY(timerfd_create(CLOCK_MONOTONIC, 0x1234));
    TRY(timerfd_settime(0, 0, &spec, NULL));
    TRY(timerfd_settime(99, 0, &spec, NULL));
    TRY(timerfd_settime(fd, 0x80, &spec, NULL));
    spec.it_value.tv_nsec = -5;
    TRY(timerfd_settime(fd, 0, &spec, NULL));
    return wrong;
}
