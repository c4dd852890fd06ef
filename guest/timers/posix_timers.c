/*
 * posix_timers -- timer_create with each kind of notification, intervals, overruns, absolute times, errors
 */
#include "guest.h"

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

static volatile int count, last_code, last_value, last_overrun;
static volatile pid_t last_tid;

static void on_timer(int number, siginfo_t *info, void *context)
{
    count++;
    last_code = info->si_code;
    last_value = info->si_value.sival_int;
    last_overrun = info->si_overrun;
    last_tid = syscall(SYS_gettid);
}

static int create(clockid_t clock, struct sigevent *event)
{
    int id = -1;
    return syscall(SYS_timer_create, clock, event, &id) ? -1 : id;
}

static int set(int id, int flags, long value_ms, long interval_ms, struct itimerspec *old)
{
    struct itimerspec spec = {{interval_ms / 1000, interval_ms % 1000 * 1000000}, {value_ms / 1000, value_ms % 1000 * 1000000}};
    return syscall(SYS_timer_settime, id, flags, &spec, old);
}

static void await(int wanted)
{
    for (int i = 0; i < 1000 && count < wanted; i++)
        sleep_ms(1);
}

static volatile pid_t thread_tid;
static volatile int thread_stop;
static void *thread(void *argument)
{
    thread_tid = syscall(SYS_gettid);
    while (!thread_stop)
        sleep_ms(2);
    return NULL;
}

int main(void)
{
    struct itimerspec spec;
    handle_info(SIGUSR1, on_timer, 0);
    handle_info(SIGALRM, on_timer, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    int id = create(CLOCK_MONOTONIC, &event);
    TRY(set(id, 0, 20, 0, NULL));
    await(1);
    out("SIGEV_SIGNAL: count %d code %s value %d\n", count, last_code == SI_TIMER ? "SI_TIMER" : "other", last_value);
    TRY(syscall(SYS_timer_gettime, id, &spec));
    out("a one-shot timer is disarmed: %ld %ld\n", (long)spec.it_value.tv_sec, spec.it_value.tv_nsec);

    count = 0;
    TRY(set(id, 0, 10, 10, NULL));
    await(4);
    TRY(set(id, 0, 0, 0, &spec));
    out("periodic: interval was %ld ns\n", spec.it_interval.tv_nsec);
    sleep_ms(30);
    int settled = count;
    sleep_ms(30);
    out("after disarming: %d more\n", count - settled);

    /* Blocked for many periods: one signal, the rest are overruns. */
    count = 0;
    mask(SIG_BLOCK, SIGUSR1);
    set(id, 0, 5, 5, NULL);
    sleep_ms(100);
    mask(SIG_UNBLOCK, SIGUSR1);
    set(id, 0, 0, 0, NULL);
    expect(count >= 1 && count <= 2 && last_overrun >= 5, "overruns are counted");
    expect(syscall(SYS_timer_getoverrun, id) >= 0, "timer_getoverrun");
    TRY(syscall(SYS_timer_delete, id));
    TRY(syscall(SYS_timer_delete, id));
    TRY(syscall(SYS_timer_gettime, id, &spec));

    count = 0;
    id = create(CLOCK_REALTIME, NULL);
    TRY(set(id, 0, 10, 0, NULL));
    await(1);
    out("without a sigevent: SIGALRM, value is the timer's id: %d\n", last_value == id);
    syscall(SYS_timer_delete, id);

    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    while (!thread_tid)
        sched_yield();
    count = 0;
    event.sigev_notify = SIGEV_THREAD_ID;
    *((int *)&event + 4) = thread_tid; /* sigev_notify_thread_id */
    id = create(CLOCK_MONOTONIC, &event);
    TRY(set(id, 0, 10, 0, NULL));
    await(1);
    out("SIGEV_THREAD_ID: taken by that thread %d\n", last_tid == thread_tid);
    syscall(SYS_timer_delete, id);
    *((int *)&event + 4) = 999999;
    TRY(create(CLOCK_MONOTONIC, &event));
    thread_stop = 1;
    pthread_join(t, NULL);

    count = 0;
    event.sigev_notify = SIGEV_NONE;
    id = create(CLOCK_MONOTONIC, &event);
    TRY(set(id, 0, 10000, 0, NULL));
    syscall(SYS_timer_gettime, id, &spec);
    expect(spec.it_value.tv_sec == 9 || spec.it_value.tv_sec == 10, "SIGEV_NONE counts down");
    set(id, 0, 10, 0, NULL);
    sleep_ms(30);
    out("and sends nothing: %d\n", count);
    syscall(SYS_timer_delete, id);

    event.sigev_notify = SIGEV_SIGNAL;
    id = create(CLOCK_MONOTONIC, &event);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    TRY(set(id, TIMER_ABSTIME, now.tv_sec * 1000 + now.tv_nsec / 1000000 + 20, 0, NULL));
    await(1);
    out("absolute: %d\n", count);
    TRY(set(id, TIMER_ABSTIME, 1, 0, NULL));
    await(2);
    out("absolute in the past fires at once: %d\n", count);
    pid_t child = FORK(_exit(syscall(SYS_timer_gettime, id, &spec) ? 1 : 0));
    out("a child has no timers: %s\n", status_name(reap(child)));

    /* A CPU clock. */
    count = 0;
    int cpu = create(CLOCK_PROCESS_CPUTIME_ID, &event);
    TRY(set(cpu, 0, 20, 0, NULL));
    sleep_ms(60);
    out("CPU timer while sleeping: %d\n", count);
    for (volatile unsigned long i = 0; !count; i++)
        ;
    out("and after computing: %d\n", count);

    event.sigev_notify = 99;
    TRY(create(CLOCK_MONOTONIC, &event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = 99;
    TRY(create(CLOCK_MONOTONIC, &event));
    event.sigev_signo = SIGUSR1;
    TRY(create(99, &event));
    spec.it_value.tv_sec = 0;
    spec.it_value.tv_nsec = 1000000000;
    TRY(syscall(SYS_timer_settime, id, 0, &spec, NULL));
    TRY(syscall(SYS_timer_settime, 12345, 0, &spec, NULL));
    TRY(syscall(SYS_timer_getoverrun, 12345));
    return wrong;
}
