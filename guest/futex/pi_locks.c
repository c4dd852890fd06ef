/*
 * pi_locks -- priority-inheriting locks: hand-over, time-outs, deadlock, dead owners, requeue from a condition
 *
 * guest: libc=glibc
 */
#include "guest.h"
#include <linux/futex.h>

static uint32_t a, b, cond, result[4];
static pid_t tid[4];

static long op(uint32_t *w, int o, uint32_t v, const void *t, uint32_t *x, uint32_t v3)
{
    long r = syscall(SYS_futex, w, o, v, t, x, v3);
    return r == -1 ? -errno : r;
}
static const char *name(long r)
{
    static char text[24];
    if (r < 0)
        return errno_name(-r);
    snprintf(text, sizeof text, "%ld", r);
    return text;
}
static struct timespec in(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void *locker(void *arg)
{
    long i = (long)arg;
    tid[i] = syscall(SYS_gettid);
    long r = op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    out("thread %ld lock: %s, mine %d waiters %d\n", i, name(r), (a & FUTEX_TID_MASK) == tid[i], !!(a & FUTEX_WAITERS));
    sleep_ms(5);
    out("thread %ld unlock: %s\n", i, name(op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    return NULL;
}
static void *timed(void *arg)
{
    struct timespec t = in(CLOCK_REALTIME, 20);
    out("timed lock: %s\n", name(op(&a, FUTEX_LOCK_PI_PRIVATE, 0, &t, NULL, 0)));
    t = in(CLOCK_MONOTONIC, 20);
    out("timed lock2: %s\n", name(op(&a, FUTEX_LOCK_PI2_PRIVATE, 0, &t, NULL, 0)));
    t = in(CLOCK_REALTIME, 20);
    out("timed lock2 realtime: %s\n", name(op(&a, FUTEX_LOCK_PI2_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 0)));
    out("trylock: %s\n", name(op(&a, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    out("unlock: %s\n", name(op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    return NULL;
}
static void *abba(void *arg)
{
    op(&b, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    sleep_ms(10);
    out("second lock of the circle: %s\n", name(op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    op(&b, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}
static void *dier(void *arg)
{
    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    sleep_ms(20);
    return NULL;
}
static void *heir(void *arg)
{
    pid_t me = syscall(SYS_gettid);
    out("lock of the dead: %s, mine %d died %d\n", name(op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0)),
        (a & FUTEX_TID_MASK) == me, !!(a & FUTEX_OWNER_DIED));
    out("unlock: %s\n", name(op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    out("word %#x\n", a);
    return NULL;
}
static void *waiter(void *arg)
{
    long i = (long)arg;
    long r = op(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &a, 0);
    result[i] = r == 0 && (a & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid);
    sleep_ms(2);
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    return (void *)r;
}
static void *timed_waiter(void *arg)
{
    struct timespec t = in(CLOCK_MONOTONIC, 30);
    long r = op(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &t, &a, 0);
    out("timed requeue wait: %s\n", name(r));
    return NULL;
}
static void *plain(void *arg)
{
    return (void *)op(&cond, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}
static void handler(int s) {}

int main(void)
{
    pthread_t t[4];
    void *r;

    out("lock: %s\n", name(op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    for (long i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, locker, (void *)i);
        sleep_ms(20);
    }
    out("plain wake of a pi word: %s\n", name(op(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)));
    out("plain requeue of a pi word: %s\n", name(op(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &b, a)));
    uint32_t saved = a;
    a = 0;
    out("trylock with the word cleared: %s\n", name(op(&a, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    a = saved;
    out("unlock: %s\n", name(op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    out("word %#x\n", a);

    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&t[0], NULL, timed, NULL);
    pthread_join(t[0], NULL);
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    out("word %#x\n", a);

    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&t[0], NULL, abba, NULL);
    sleep_ms(40);
    out("first lock of the circle: %s\n", name(op(&b, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0)));
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_join(t[0], NULL);
    out("words %#x %#x\n", a, b & FUTEX_TID_MASK);
    a = b = 0;

    pthread_create(&t[0], NULL, dier, NULL);
    sleep_ms(5);
    pthread_create(&t[1], NULL, heir, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    a = 0;

    /* signals restart LOCK_PI, whatever SA_RESTART says */
    handle(SIGUSR1, handler, 0);
    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&t[0], NULL, locker, (void *)0L);
    sleep_ms(10);
    pthread_kill(t[0], SIGUSR1);
    sleep_ms(10);
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_join(t[0], NULL);

    /* requeue */
    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    for (long i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, waiter, (void *)i);
    sleep_ms(20);
    out("wake of requeue waiters: %s\n", name(op(&cond, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)));
    out("requeue to the wrong lock: %s\n", name(op(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &b, 0)));
    out("requeue while locked: %s\n", name(op(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &a, 0)));
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    sleep_ms(20);
    out("requeue while free: %s\n", name(op(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10, &a, 0)));
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &r);
        out("waiter: %s owned %u\n", name((long)r), result[i]);
    }
    out("word %#x\n", a);
    a = 0;
    pthread_create(&t[0], NULL, timed_waiter, NULL);
    pthread_join(t[0], NULL);
    op(&a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&t[0], NULL, timed_waiter, NULL);
    sleep_ms(10);
    out("requeue: %s\n", name(op(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10, &a, 0)));
    pthread_join(t[0], NULL);
    op(&a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&t[0], NULL, plain, NULL);
    sleep_ms(10);
    out("requeue of a plain waiter: %s\n", name(op(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10, &a, 0)));
    out("wake: %s\n", name(op(&cond, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)));
    pthread_join(t[0], NULL);

    /* glibc on top: robust and pi mutexes whose owner died */
    for (int pi = 0; pi < 2; pi++)
        for (int shared = 0; shared < 2; shared++) {
            pthread_mutexattr_t at;
            pthread_mutex_t *m = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
            pthread_mutexattr_init(&at);
            pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
            pthread_mutexattr_setpshared(&at, shared);
            pthread_mutexattr_setprotocol(&at, pi ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
            pthread_mutex_init(m, &at);
            pid_t child = FORK({
                pthread_mutex_lock(m);
                sleep_ms(30);
                raise(SIGKILL);
            });
            sleep_ms(10);
            if (shared)
                TRY_P(pthread_mutex_lock(m));
            out("child %s\n", status_name(reap(child)));
            if (shared) {
                TRY_P(pthread_mutex_consistent(m));
                TRY_P(pthread_mutex_unlock(m));
                TRY_P(pthread_mutex_lock(m));
                TRY_P(pthread_mutex_unlock(m));
            }
        }
    return wrong;
}
