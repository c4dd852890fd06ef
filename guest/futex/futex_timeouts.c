/*
 * futex_timeouts -- relative and absolute limits, both clocks, and the pi operations' absolute one
 */
#include "guest.h"
#include <linux/futex.h>

static int word;

static long futex(int *uaddr, int op, unsigned value, void *timeout, int *uaddr2, unsigned value3)
{
    return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
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

#define TIMED(call, least)                                             \
    do {                                                               \
        long timed_before = now_ms();                                  \
        TRY(call);                                                     \
        long timed = now_ms() - timed_before;                          \
        out("    %s\n", timed < least - 1 ? "too early" : timed > least + 1500 ? "too late" : "in time"); \
    } while (0)

static void *owner(void *argument)
{
    futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    *(volatile int *)argument = 1;
    sleep_ms(200);
    futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}

int main(void)
{
    struct timespec t = {0, 40000000};
    TIMED(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0), 40);
    t = in(CLOCK_MONOTONIC, 40);
    TIMED(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, -1), 40);
    TIMED(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, -1), 0);
    t = in(CLOCK_REALTIME, 40);
    TIMED(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1), 40);
    volatile int locked = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, owner, (void *)&locked);
    while (!locked)
        sched_yield();
    t = in(CLOCK_REALTIME, 40);
    TIMED(futex(&word, FUTEX_LOCK_PI, 0, &t, NULL, 0), 40);
    TRY(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    expect((word & FUTEX_TID_MASK) == syscall(SYS_gettid), "the lock was handed over");
    TRY(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    pthread_join(thread, NULL);
    return wrong;
}
