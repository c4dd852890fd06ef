/*
 * time_answers -- clocks, sleeps, interval timers and the CPU limit: results and errors
 */
#include "guest.h"
#include <sys/timex.h>
#include <sys/times.h>
#include <linux/capability.h>

static volatile int caught;
static void handler(int s) { caught++; }
static const clockid_t clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 100, -1, -2, -3, -6, -7, ~0u << 3, (~0u << 3) | 2 | 4, (~0u << 3) | 3};

int main(void)
{
    struct timespec t, u;
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        out("clock %d: ", clocks[i]);
        out("gettime %s ", syscall(SYS_clock_gettime, clocks[i], &t) ? errno_name(errno) : "ok");
        t.tv_nsec = t.tv_sec = -1;
        out("getres %s ", syscall(SYS_clock_getres, clocks[i], &t) ? errno_name(errno) : "ok");
        out("%ld ", t.tv_nsec);
        out("getres null %s ", syscall(SYS_clock_getres, clocks[i], NULL) ? errno_name(errno) : "ok");
        t.tv_sec = -1;
        out("settime %s ", syscall(SYS_clock_settime, clocks[i], &t) ? errno_name(errno) : "ok");
        t = (struct timespec){0, 1000};
        if (clocks[i] != 2 && (clocks[i] >= 0 || (clocks[i] & 4))) /* would sleep for ever */
            out("nanosleep %s ", syscall(SYS_clock_nanosleep, clocks[i], 0, &t, NULL) ? errno_name(errno) : "ok");
        struct timex x = {0};
        int r = syscall(SYS_clock_adjtime, clocks[i], &x);
        out("adjtime %s", r < 0 ? errno_name(errno) : "ok");
        timer_t id;
        out("timer %s\n", syscall(SYS_timer_create, clocks[i], NULL, &id) ? errno_name(errno) : "ok");
    }
    TRY(syscall(SYS_clock_gettime, 1, 8));
    TRY(syscall(SYS_clock_getres, 1, 8));
    TRY(syscall(SYS_gettimeofday, NULL, NULL));
    TRY(syscall(SYS_gettimeofday, 8, NULL));
    TRY(syscall(SYS_time, 8));
    TRY(syscall(SYS_times, 8));
    t = (struct timespec){0, 1000000000};
    TRY(syscall(SYS_nanosleep, &t, NULL));
    t = (struct timespec){-1, 0};
    TRY(syscall(SYS_nanosleep, &t, NULL));
    TRY(syscall(SYS_nanosleep, 8, NULL));
    TRY(syscall(SYS_nanosleep, NULL, NULL));
    t = (struct timespec){0, 0};
    TRY(syscall(SYS_nanosleep, &t, 8));
    TRY(syscall(SYS_clock_nanosleep, 1, 1, &t, 8));
    TRY(syscall(SYS_clock_nanosleep, 0, 1, &t, 8));
    TRY(syscall(SYS_clock_nanosleep, 0, 6, &t, NULL));
    t = (struct timespec){0, -1};
    TRY(syscall(SYS_clock_nanosleep, 77, 0, &t, NULL));
    TRY(syscall(SYS_clock_nanosleep, 3, 0, &t, NULL));
    TRY(syscall(SYS_clock_nanosleep, 2, 0, &t, NULL));

    /* interruption */
    handle(SIGALRM, handler, SA_RESTART);
    struct itimerval it = {{0, 0}, {0, 20000}}, old;
    setitimer(ITIMER_REAL, &it, NULL);
    t = (struct timespec){1, 0};
    TRY(nanosleep(&t, &u));
    expect(u.tv_sec == 0 && u.tv_nsec > 900000000 && u.tv_nsec < 985000000, "rest of nanosleep");
    setitimer(ITIMER_REAL, &it, NULL);
    u.tv_sec = 77;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec++;
    out("absolute sleep: %s\n", errno_name(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &u)));
    out("rest untouched: %ld\n", u.tv_sec);
    setitimer(ITIMER_REAL, &it, NULL);
    t = (struct timespec){1, 0};
    TRY(syscall(SYS_nanosleep, &t, 8));
    out("caught %d\n", caught);
    /* a stop does not end a sleep, nor does it lengthen it */
    pid_t child = FORK({
        long from = now_ms();
        t = (struct timespec){0, 100000000};
        int r = nanosleep(&t, &u);
        long took = now_ms() - from;
        out("stopped sleep: %d after %s\n", r, took >= 100 && took < 140 ? "100 ms" : "wrong time");
    });
    sleep_ms(20);
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    sleep_ms(20);
    kill(child, SIGCONT);
    reap(child);

    /* interval timers */
    it = (struct itimerval){{0, 0}, {0, 1000000}};
    TRY(setitimer(ITIMER_REAL, &it, NULL));
    it = (struct itimerval){{-1, 0}, {0, 1}};
    TRY(setitimer(ITIMER_REAL, &it, NULL));
    it = (struct itimerval){{0, 0}, {10, 1}};
    TRY(setitimer(3, &it, NULL));
    TRY(setitimer(-1, &it, NULL));
    TRY(syscall(SYS_setitimer, 0, 8, NULL));
    TRY(syscall(SYS_getitimer, 3, &old));
    TRY(syscall(SYS_getitimer, 0, 8));
    TRY(setitimer(ITIMER_REAL, &it, &old));
    out("old %ld %ld %ld %ld\n", old.it_value.tv_sec, old.it_value.tv_usec, old.it_interval.tv_sec, old.it_interval.tv_usec);
    TRY(alarm(3));
    TRY(alarm(0));
    TRY(alarm(0));
    for (int which = 0; which < 3; which++) {
        it = (struct itimerval){{5, 6}, {7, 8}};
        TRY(setitimer(which, &it, NULL));
        it = (struct itimerval){{1, 0}, {0, 0}};
        TRY(setitimer(which, &it, &old));
        out("old %ld, interval %ld %ld\n", old.it_value.tv_sec + (old.it_value.tv_usec > 0), old.it_interval.tv_sec, old.it_interval.tv_usec);
        TRY(getitimer(which, &old));
        out("now %ld %ld, interval %ld %ld\n", old.it_value.tv_sec, old.it_value.tv_usec, old.it_interval.tv_sec, old.it_interval.tv_usec);
    }
    caught = 0;
    it = (struct itimerval){{0, 10000}, {0, 10000}};
    setitimer(ITIMER_REAL, &it, NULL);
    while (caught < 3)
        pause();
    it.it_value.tv_usec = 0;
    setitimer(ITIMER_REAL, &it, &old);
    out("interval was %ld\n", old.it_interval.tv_usec);
    handle(SIGVTALRM, handler, 0);
    handle(SIGPROF, handler, 0);
    for (int which = 1; which < 3; which++) {
        caught = 0;
        it = (struct itimerval){{0, 10000}, {0, 10000}};
        setitimer(which, &it, NULL);
        while (caught < 3)
            for (volatile int i = 0; i < 10000; i++)
                ;
        it.it_value.tv_usec = 0;
        setitimer(which, &it, &old);
        out("cpu interval was %ld\n", old.it_interval.tv_usec);
    }
    /* fork does not copy timers, exec keeps them (not shown) */
    alarm(100);
    child = FORK(TRY(alarm(0)));
    reap(child);
    out("parent %s\n", alarm(0) >= 99 ? "kept" : "lost");

    /* cpu clocks of others */
    clockid_t c;
    child = FORK(pause());
    TRY(clock_getcpuclockid(child, &c));
    out("child clock: %s\n", clock_gettime(c, &t) ? errno_name(errno) : "ok");
    kill(child, SIGKILL);
    reap(child);
    out("dead clock: %s\n", clock_gettime(c, &t) ? errno_name(errno) : "ok");
    out("sleep on it: %s\n", errno_name(clock_nanosleep(c, 0, &t, NULL)));
    struct timeval tv;
    tv.tv_sec = 0, tv.tv_usec = 1000000;
    TRY(settimeofday(&tv, NULL));
    tv.tv_usec = -1;
    TRY(settimeofday(&tv, NULL));
    TRY(syscall(SYS_settimeofday, 8, NULL));
    struct rlimit rl = {1, RLIM_INFINITY};
    child = FORK({
        setrlimit(RLIMIT_CPU, &rl);
        for (;;)
            ;
    });
    out("cpu limit: %s\n", status_name(reap(child)));
    rl.rlim_max = 1;
    child = FORK({
        signal(SIGXCPU, SIG_IGN);
        setrlimit(RLIMIT_CPU, &rl);
        for (;;)
            ;
    });
    out("hard cpu limit: %s\n", status_name(reap(child)));
    return wrong;
}
