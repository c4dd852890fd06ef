/*
 * sleeps -- nanosleep and clock_nanosleep: relative, absolute, interrupted with what is left, errors
 */
#include "guest.h"

static int handled;
static void on_alarm(int number) { handled++; }

static const char *about(long ms, long expected)
{
    return ms < expected - 1 ? "too short" : ms > expected + 1500 ? "too long" : "about right";
}

static void alarm_in(int ms)
{
    struct itimerval timer = {{0, 0}, {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

int main(void)
{
    struct timespec t = {0, 50000000}, left = {77, 77};
    handle(SIGALRM, on_alarm, 0);
    long before = now_ms();
    TRY(nanosleep(&t, &left));
    out("%s, rem untouched %d\n", about(now_ms() - before, 50), left.tv_sec == 77);
    t.tv_sec = 10;
    alarm_in(50);
    before = now_ms();
    TRY(nanosleep(&t, &left));
    out("%s, left %s\n", about(now_ms() - before, 50), left.tv_sec == 9 || (left.tv_sec == 10 && left.tv_nsec < 50000000) ? "right" : "wrong");
    alarm_in(20);
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){0, 0};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){0, 1000000000};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){-1, 0};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){0, -1};
    TRY(nanosleep(&t, NULL));

    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    for (int i = 0; i < 3; i++) {
        before = now_ms();
        clock_gettime(clocks[i], &t);
        t.tv_nsec += 30000000;
        if (t.tv_nsec >= 1000000000) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000;
        }
        TRY(clock_nanosleep(clocks[i], TIMER_ABSTIME, &t, &left));
        out("clock %d absolute: %s\n", clocks[i], about(now_ms() - before, 30));
        TRY(clock_nanosleep(clocks[i], TIMER_ABSTIME, &t, &left));
        t = (struct timespec){0, 20000000};
        TRY(clock_nanosleep(clocks[i], 0, &t, &left));
    }
    t = (struct timespec){5, 0};
    alarm_in(30);
    left.tv_sec = 77;
    TRY_P(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left));
    out("left %s\n", left.tv_sec == 4 ? "right" : "wrong");
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 5;
    alarm_in(30);
    left.tv_sec = 77;
    TRY_P(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left));
    out("rem is not written for absolute times: %d\n", left.tv_sec == 77);
    TRY_P(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
    TRY_P(clock_nanosleep(1000, 0, &t, NULL));
    TRY(usleep(10000));
    TRY(sleep(0));
    alarm_in(100);
    unsigned rest = sleep(3);
    out("sleep(3) interrupted early says %s\n", rest == 2 || rest == 3 ? "2 or 3" : "something else");
    out("handled %d\n", handled);
    return 0;
}
