/*
 * timer_answers -- POSIX timers: errors, values, overruns, targets
 */
#include "guest.h"

static volatile int caught, overruns, value, from_timer, tid_seen;
static void handler(int s, siginfo_t *i, void *c)
{
    caught++;
    overruns += i->si_overrun;
    value = i->si_value.sival_int;
    from_timer = i->si_code == SI_TIMER;
    tid_seen = syscall(SYS_gettid);
}
struct kevent { union sigval v; int signo, notify, tid; int pad[11]; };
static int create(clockid_t c, struct kevent *e, int *id) { return syscall(SYS_timer_create, c, e, id); }
static int settime(int id, int flags, struct itimerspec *n, struct itimerspec *o) { return syscall(SYS_timer_settime, id, flags, n, o); }
static int gettime(int id, struct itimerspec *o) { return syscall(SYS_timer_gettime, id, o); }
static void *thread(void *a) { *(volatile int *)a = syscall(SYS_gettid); while (!caught) sleep_ms(1); sleep_ms(5); return NULL; }

int main(void)
{
    int id, second;
    struct kevent e = {.signo = SIGUSR1, .notify = SIGEV_SIGNAL, .v.sival_int = 42};
    struct itimerspec s, o;

    handle_info(SIGUSR1, handler, 0);
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    TRY(create(77, &e, &id));
    TRY(create(CLOCK_MONOTONIC, (void *)8, &id));
    TRY(create(CLOCK_MONOTONIC, &e, (void *)8));
    e.signo = 0;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    e.signo = 65;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    e.notify = SIGEV_NONE;
    TRY(create(CLOCK_MONOTONIC, &e, &second));
    e.notify = 5;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    e.signo = SIGUSR1;
    e.notify = SIGEV_THREAD_ID;
    e.tid = 1;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    e.tid = 0;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    id = 0;
    TRY(settime(99, 0, &s, NULL));
    TRY(settime(id, 0, NULL, NULL));
    TRY(settime(id, 0, (void *)8, NULL));
    s = (struct itimerspec){{0, 0}, {0, 1000000000}};
    TRY(settime(id, 0, &s, NULL));
    s = (struct itimerspec){{-1, 0}, {0, 1}};
    TRY(settime(id, 0, &s, NULL));
    s = (struct itimerspec){{3, 4}, {5, 6}};
    TRY(settime(id, 0, &s, (void *)8));
    TRY(settime(id, 8, &s, &o));
    out("old %ld interval %ld %ld\n", o.it_value.tv_sec, o.it_interval.tv_sec, o.it_interval.tv_nsec);
    s = (struct itimerspec){{3, 4}, {0, 0}};
    TRY(settime(id, 0, &s, &o));
    out("old %ld interval %ld %ld\n", o.it_value.tv_sec, o.it_interval.tv_sec, o.it_interval.tv_nsec);
    TRY(gettime(id, &o));
    out("now %ld %ld interval %ld %ld\n", o.it_value.tv_sec, o.it_value.tv_nsec, o.it_interval.tv_sec, o.it_interval.tv_nsec);
    TRY(gettime(99, &o));
    TRY(gettime(id, (void *)8));
    TRY(syscall(SYS_timer_getoverrun, 99));
    TRY(syscall(SYS_timer_delete, 99));

    /* one shot */
    s = (struct itimerspec){{0, 0}, {0, 5000000}};
    TRY(settime(id, 0, &s, NULL));
    while (!caught)
        pause();
    out("caught %d overruns %d value %d from timer %d\n", caught, overruns, value, from_timer);
    TRY(gettime(id, &o));
    out("now %ld %ld\n", o.it_value.tv_sec, o.it_value.tv_nsec);
    /* absolute in the past */
    caught = 0;
    s = (struct itimerspec){{0, 0}, {1, 0}};
    TRY(settime(id, TIMER_ABSTIME, &s, NULL));
    sleep_ms(1);
    out("caught %d\n", caught);
    /* periodic and blocked: overruns */
    caught = overruns = 0;
    mask(SIG_BLOCK, SIGUSR1);
    s = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    TRY(settime(id, 0, &s, NULL));
    sleep_ms(95);
    mask(SIG_UNBLOCK, SIGUSR1);
    out("caught %d, overruns %s\n", caught, overruns >= 7 && overruns <= 9 ? "about 8" : "wrong");
    expect(syscall(SYS_timer_getoverrun, id) == overruns, "getoverrun");
    s = (struct itimerspec){{0, 0}, {0, 0}};
    TRY(settime(id, 0, &s, &o));
    out("interval was %ld\n", o.it_interval.tv_nsec);
    /* disarming with the signal pending drops it, deleting too */
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 2; i++) {
        caught = 0;
        s = (struct itimerspec){{0, 0}, {0, 1000000}};
        settime(id, 0, &s, NULL);
        sleep_ms(5);
        sigset_t p;
        sigpending(&p);
        out("pending %d\n", sigismember(&p, SIGUSR1));
        s.it_value.tv_nsec = 0;
        if (i == 0)
            TRY(settime(id, 0, &s, NULL));
        else
            TRY(syscall(SYS_timer_delete, id));
        mask(SIG_UNBLOCK, SIGUSR1);
        out("caught %d\n", caught);
        mask(SIG_BLOCK, SIGUSR1);
    }
    mask(SIG_UNBLOCK, SIGUSR1);
    /* SIGEV_NONE counts down silently */
    s = (struct itimerspec){{10, 0}, {0, 1000000}};
    TRY(settime(second, 0, &s, NULL));
    sleep_ms(5);
    TRY(gettime(second, &o));
    out("second %ld\n", o.it_value.tv_sec);
    s = (struct itimerspec){{0, 0}, {0, 1000000}};
    TRY(settime(second, 0, &s, NULL));
    sleep_ms(5);
    TRY(gettime(second, &o));
    out("second %ld %ld\n", o.it_value.tv_sec, o.it_value.tv_nsec);
    /* CPU clocks */
    e.notify = SIGEV_SIGNAL;
    for (int c = CLOCK_PROCESS_CPUTIME_ID; c <= CLOCK_THREAD_CPUTIME_ID; c++) {
        caught = 0;
        TRY(create(c, &e, &id));
        s = (struct itimerspec){{0, 3000000}, {0, 3000000}};
        TRY(settime(id, 0, &s, NULL));
        while (caught < 3)
            ;
        TRY(syscall(SYS_timer_delete, id));
    }
    /* to a given thread */
    pthread_t t;
    volatile int tid = 0;
    caught = 0;
    pthread_create(&t, NULL, thread, (void *)&tid);
    while (!tid)
        sleep_ms(1);
    e.notify = SIGEV_THREAD_ID;
    e.tid = tid;
    TRY(create(CLOCK_REALTIME, &e, &id));
    s = (struct itimerspec){{0, 0}, {0, 1000000}};
    TRY(settime(id, 0, &s, NULL));
    pthread_join(t, NULL);
    expect(tid_seen == tid, "the thread got it");
    s = (struct itimerspec){{0, 0}, {0, 1000000}};
    caught = 0;
    TRY(settime(id, 0, &s, NULL));
    sleep_ms(5);
    out("after its death: %d\n", caught);
    /* ignored */
    signal(SIGUSR1, SIG_IGN);
    e.notify = SIGEV_SIGNAL;
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    s = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    TRY(settime(id, 0, &s, NULL));
    sleep_ms(35);
    TRY(gettime(id, &o));
    expect(o.it_value.tv_nsec > 0 && o.it_value.tv_nsec <= 10000000, "an ignored timer goes on");
    /* default event: SIGALRM, value = id */
    handle_info(SIGALRM, handler, 0);
    caught = 0;
    TRY(syscall(SYS_timer_create, CLOCK_BOOTTIME, NULL, &id));
    s = (struct itimerspec){{0, 0}, {0, 1000000}};
    TRY(settime(id, 0, &s, NULL));
    while (!caught)
        pause();
    expect(value == id, "value is the id");
    /* not inherited */
    pid_t child = FORK(TRY(gettime(second, &o)));
    reap(child);
    /* limit of queued signals */
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_SIGPENDING, &none);
    TRY(create(CLOCK_MONOTONIC, &e, &id));
    return wrong;
}
