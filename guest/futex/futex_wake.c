/*
 * futex_wake -- how many are woken, by bitset, requeued, across processes; order is first come, first served
 */
#include "guest.h"
#include <linux/futex.h>

static int *words, *log_, *log_length;

static long futex(int *uaddr, int op, unsigned value, void *timeout, int *uaddr2, unsigned value3)
{
    return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
}

struct waiter {
    int number, bits, op;
    volatile pid_t tid;
};

static void *wait_once(void *argument)
{
    struct waiter *me = argument;
    me->tid = syscall(SYS_gettid);
    long result = futex(&words[0], FUTEX_WAIT_BITSET | me->op, 0, NULL, NULL, me->bits);
    int at = __atomic_fetch_add(log_length, 1, __ATOMIC_SEQ_CST);
    log_[at] = result == 0 ? me->number : -errno;
    return NULL;
}

static pthread_t threads[8];
static struct waiter waiters[8];

static void start(int count, int op)
{
    *log_length = 0;
    for (int i = 0; i < count; i++) {
        waiters[i] = (struct waiter){i, 1 << i, op, 0};
        pthread_create(&threads[i], NULL, wait_once, &waiters[i]);
        while (!waiters[i].tid)
            sched_yield();
        await_state(waiters[i].tid, "S");
        sleep_ms(5);
    }
}

static void await(int count)
{
    for (int i = 0; i < 1000 && *log_length < count; i++)
        sleep_ms(2);
    sleep_ms(10);
}

static void finish(int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    log_ = words + 100;
    log_length = words + 99;

    start(4, FUTEX_PRIVATE_FLAG);
    TRY(futex(&words[0], FUTEX_WAKE, 1, NULL, NULL, 0)); /* a shared key is another key */
    TRY(futex(&words[0], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    await(1);
    TRY(futex(&words[0], FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
    await(3);
    TRY(futex(&words[0], FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0));
    finish(4);
    out("woken %d\n", *log_length);

    start(4, 0);
    TRY(futex(&words[0], FUTEX_WAKE_BITSET, 100, NULL, NULL, 4));
    await(1);
    out("first woken: %d\n", log_[0]);
    TRY(futex(&words[0], FUTEX_WAKE_BITSET, 1, NULL, NULL, 0xa));
    await(2);
    out("second woken: %d\n", log_[1]);
    TRY(futex(&words[0], FUTEX_WAKE, 100, NULL, NULL, 0));
    finish(4);

    start(5, 0);
    TRY(futex(&words[0], FUTEX_CMP_REQUEUE, 1, (void *)2L, &words[1], 0));
    await(1);
    out("woken by the requeue: %d\n", log_[0]);
    TRY(futex(&words[1], FUTEX_WAKE, 1, NULL, NULL, 0));
    await(2);
    out("woken at the new word: %d\n", log_[1]);
    TRY(futex(&words[0], FUTEX_WAKE, 100, NULL, NULL, 0));
    await(4);
    TRY(futex(&words[1], FUTEX_WAKE, 100, NULL, NULL, 0));
    finish(5);

    start(4, 0);
    words[1] = 0;
    TRY(futex(&words[1], FUTEX_WAKE_OP, 1, (void *)2L, &words[0], FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)));
    await(2);
    TRY(futex(&words[1], FUTEX_WAKE_OP, 1, (void *)2L, &words[0], FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 1)));
    TRY(futex(&words[0], FUTEX_WAKE, 100, NULL, NULL, 0));
    finish(4);

    /* Between processes, through shared memory at different addresses. */
    pid_t child = FORK({
        int *elsewhere = mremap(words, 0, 4096, MREMAP_MAYMOVE);
        words[2] = 1;
        futex(&elsewhere[0], FUTEX_WAIT, 0, NULL, NULL, 0);
    });
    while (!*(volatile int *)&words[2])
        sched_yield();
    sleep_ms(20);
    await_state(child, "S");
    TRY(futex(&words[0], FUTEX_WAKE, 1, NULL, NULL, 0));
    out("child: %s\n", status_name(reap(child)));
    /* A private mapping copied by fork is another key. */
    static int private_word;
    words[2] = 0;
    child = FORK({
        struct timespec limit = {0, 50000000};
        words[2] = 1;
        _exit(futex(&private_word, FUTEX_WAIT, 0, &limit, NULL, 0) == 0 ? 1 : errno == ETIMEDOUT ? 2 : 3);
    });
    while (!*(volatile int *)&words[2])
        sched_yield();
    await_state(child, "S");
    TRY(futex(&private_word, FUTEX_WAKE, 1, NULL, NULL, 0));
    out("child: %s\n", status_name(reap(child)));
    return 0;
}
