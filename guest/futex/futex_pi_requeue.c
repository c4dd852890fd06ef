/*
 * futex_pi_requeue -- a condition variable over a PI lock: FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI
 */
#include "guest.h"
#include <linux/futex.h>

static int condition, lock;
static volatile int waiting, done;

static long futex(int *uaddr, int op, unsigned value, void *timeout, int *uaddr2, unsigned value3)
{
    return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
}

static void *waiter(void *argument)
{
    waiting++;
    long result = futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0);
    int own = (lock & FUTEX_TID_MASK) == syscall(SYS_gettid);
    out("waiter: %ld %s the lock\n", result, own ? "owns" : "does not own");
    done++;
    futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}

int main(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, waiter, NULL);
    while (waiting < 3)
        sched_yield();
    sleep_ms(30);
    futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    TRY(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10L, &lock, 1));
    TRY(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10L, &lock, 0));
    sleep_ms(20);
    out("while we hold the lock: done %d\n", done);
    futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    out("done %d, lock %d\n", done, lock);
    struct timespec past = {1, 0};
    TRY(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, &past, &lock, 0));
    TRY(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &lock, 0));
    return 0;
}
