/*
 * clocks -- clock_gettime, getres and their errors; CPU clocks advance with work, not with sleep
 */
#include "guest.h"

static long long ns(clockid_t clock)
{
    struct timespec t;
    MUST(clock_gettime(clock, &t));
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
    struct timespec t;
    TRY(clock_gettime(CLOCK_REALTIME, &t));
    TRY(clock_gettime(CLOCK_MONOTONIC_RAW, &t));
    TRY(clock_gettime(CLOCK_TAI, &t));
    TRY(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
    TRY(clock_gettime(99, &t));
    TRY(syscall(SYS_clock_gettime, -6, &t));
    TRY(clock_getres(CLOCK_MONOTONIC, &t));
    out("resolution %ld.%09ld\n", (long)t.tv_sec, t.tv_nsec);
    TRY(clock_getres(99, &t));
    TRY(clock_nanosleep(99, 0, &t, NULL) == EINVAL);

    long long mono = ns(CLOCK_MONOTONIC), real = ns(CLOCK_REALTIME), cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(60);
    long long mono2 = ns(CLOCK_MONOTONIC), real2 = ns(CLOCK_REALTIME), cpu2 = ns(CLOCK_PROCESS_CPUTIME_ID);
    expect(mono2 - mono >= 60000000, "CLOCK_MONOTONIC advanced by the sleep");
    expect(real2 - real >= 59000000, "CLOCK_REALTIME too");
    expect(cpu2 - cpu < 30000000, "the CPU clock did not");
    volatile unsigned long x = 0;
    cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 3000000; i++)
        x += i;
    expect(ns(CLOCK_PROCESS_CPUTIME_ID) > cpu, "work advances it");
    expect(real > 1500000000LL * 1000000000, "the year is sane");
    time_t a = time(NULL);
    struct timeval tv;
    gettimeofday(&tv, NULL);
    expect(tv.tv_sec - a <= 1, "time and gettimeofday agree");
    return wrong;
}
