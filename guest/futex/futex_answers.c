/*
 * futex_answers -- what every futex operation answers to wrong, empty and plain requests
 */
#include "guest.h"
#include <linux/futex.h>

static uint32_t word, other, words[4];

static long op(uint32_t *a, int o, uint32_t v, const void *t, uint32_t *b, uint32_t v3)
{
    return syscall(SYS_futex, a, o, v, t, b, v3);
}
#define FUTEX(a, o, v, t, b, v3) TRY(op(a, o, v, (void *)(t), b, v3))

struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };

static void *sleeper(void *arg)
{
    long r = op(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return (void *)(r == -1 ? (long)-errno : r);
}
static void *bits(void *arg)
{
    return (void *)op(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg);
}

int main(void)
{
    struct timespec bad = {0, 1000000000}, neg = {-1, 0}, tiny = {0, 1000}, past = {1, 0};
    uint32_t *odd = (uint32_t *)((char *)words + 1);
    uint32_t *null = NULL, *kernel = (uint32_t *)0xffff800000000000ul, *hole = (uint32_t *)0x10000;

    word = 1;
    FUTEX(&word, FUTEX_WAIT, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT, 1, &tiny, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_PRIVATE, 1, &tiny, NULL, 0);
    FUTEX(&word, FUTEX_WAIT, 1, &bad, NULL, 0);
    FUTEX(&word, FUTEX_WAIT, 1, &neg, NULL, 0);
    FUTEX(&word, FUTEX_WAIT, 0, &bad, NULL, 0);
    FUTEX(&word, FUTEX_WAIT, 1, 8, NULL, 0);
    FUTEX(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, &tiny, NULL, 0);
    FUTEX(odd, FUTEX_WAIT, 0, NULL, NULL, 0);
    FUTEX(null, FUTEX_WAIT, 0, NULL, NULL, 0);
    FUTEX(null, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    FUTEX(kernel, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    FUTEX(odd, FUTEX_WAKE, 1, NULL, NULL, 0);
    FUTEX(null, FUTEX_WAKE, 1, NULL, NULL, 0);
    FUTEX(null, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    FUTEX(hole, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    FUTEX(kernel, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE, -1, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_BITSET, 1, &past, NULL, ~0u);
    FUTEX(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, NULL, ~0u);
    FUTEX(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1);
    FUTEX(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1);
    FUTEX(&word, FUTEX_FD, 1, NULL, NULL, 1);
    FUTEX(&word, 14, 1, NULL, NULL, 1);
    FUTEX(&word, 77, 1, NULL, NULL, 1);

    FUTEX(&word, FUTEX_REQUEUE, 1, 1, &other, 0);
    FUTEX(&word, FUTEX_REQUEUE, -1, 1, &other, 0);
    FUTEX(&word, FUTEX_REQUEUE, 1, -1, &other, 0);
    FUTEX(&word, FUTEX_REQUEUE, 1, 1, odd, 0);
    FUTEX(&word, FUTEX_REQUEUE, 1, 1, null, 0);
    FUTEX(&word, FUTEX_CMP_REQUEUE, 1, 1, &other, 0);
    FUTEX(&word, FUTEX_CMP_REQUEUE, 1, 1, &other, 1);
    FUTEX(&word, FUTEX_CMP_REQUEUE, -1, 1, &other, 0);
    FUTEX(null, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &other, 0);

    other = 5;
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_SET, -1, FUTEX_OP_CMP_LT, 5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_ANDN, 0xf, FUTEX_OP_CMP_GT, 5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP((FUTEX_OP_XOR | FUTEX_OP_OPARG_SHIFT), 7, FUTEX_OP_CMP_GE, 5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_LE, -5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(5, 6, FUTEX_OP_CMP_LE, -5));
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_SET, 6, 9, -5));
    out("other %u\n", other);
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, null, FUTEX_OP(FUTEX_OP_SET, 6, 0, -5));
    FUTEX(&word, FUTEX_WAKE_OP, 1, 1, odd, FUTEX_OP(FUTEX_OP_SET, 6, 0, -5));

    /* PI */
    pid_t me = syscall(SYS_gettid);
    word = 0;
    FUTEX(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
    expect(word == (uint32_t)me, "word is my tid");
    FUTEX(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_LOCK_PI2, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_LOCK_PI, 0, &bad, NULL, 0);
    FUTEX(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    out("word %u\n", word);
    word = 0x3ffffffe;
    FUTEX(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    out("word %#x\n", word);
    FUTEX(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
    word = FUTEX_OWNER_DIED;
    FUTEX(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    expect(word == ((uint32_t)me | FUTEX_OWNER_DIED), "owner died kept");
    word = FUTEX_WAITERS;
    FUTEX(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    expect(word == (uint32_t)me, "waiters bit dropped");
    FUTEX(odd, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    FUTEX(null, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    FUTEX(null, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0);
    FUTEX(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &other, 0);
    FUTEX(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, odd, 0);
    FUTEX(&other, FUTEX_WAIT_REQUEUE_PI, other, &past, &word, 0);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PI, 2, 1, &other, word);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PI, 1, 1, &word, word);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PI, 1, 1, &other, word + 1);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PI, 1, 1, &other, word);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PI, 1, -1, &other, word);

    /* waitv */
    struct waitv v[3] = {{0, (uint64_t)&words[0], 2 | 128}, {0, (uint64_t)&words[1], 2}, {0, (uint64_t)&words[2], 2 | 128}};
    struct timespec soon;
#define WAITV(n, f, t, c) TRY(syscall(449, v, n, f, t, c))
    WAITV(0, 0, NULL, CLOCK_MONOTONIC);
    WAITV(129, 0, NULL, CLOCK_MONOTONIC);
    WAITV(3, 1, NULL, CLOCK_MONOTONIC);
    WAITV(3, 0, &past, CLOCK_MONOTONIC);
    WAITV(3, 0, &past, CLOCK_REALTIME);
    WAITV(3, 0, &past, CLOCK_BOOTTIME);
    WAITV(3, 0, &bad, CLOCK_MONOTONIC);
    WAITV(3, 0, 8, CLOCK_MONOTONIC);
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 2000000;
    if (soon.tv_nsec >= 1000000000)
        soon.tv_sec++, soon.tv_nsec -= 1000000000;
    WAITV(3, 0, &soon, CLOCK_MONOTONIC);
    v[1].val = 1;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[1].val = 1ull << 32;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[1].val = 0;
    v[1].flags = 3;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[1].flags = 2 | 32;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[1].flags = 2;
    v[1].reserved = 1;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[1].reserved = 0;
    v[2].uaddr++;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    v[2].uaddr = 8;
    WAITV(3, 0, NULL, CLOCK_MONOTONIC);
    TRY(syscall(449, NULL, 1, 0, NULL, CLOCK_MONOTONIC));

    /* robust lists */
    char head[24] = {0};
    void *got;
    size_t length;
    TRY(syscall(SYS_set_robust_list, head, 23));
    TRY(syscall(SYS_set_robust_list, head, 24));
    TRY(syscall(SYS_get_robust_list, 0, &got, &length));
    expect(got == head && length == 24, "head");
    TRY(syscall(SYS_get_robust_list, 0x3ffffff, &got, &length));
    TRY(syscall(SYS_get_robust_list, 0, 8, &length));
    TRY(syscall(SYS_set_robust_list, NULL, 24));

    /* several waiters, requeue and bitsets */
    word = 0;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, sleeper, NULL);
    sleep_ms(50);
    FUTEX(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, &other, 0);
    FUTEX(&other, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        out("thread: %ld\n", (long)r);
    }
    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, bits, (void *)(1L << i));
    sleep_ms(50);
    FUTEX(&word, FUTEX_WAKE, 100, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 16);
    FUTEX(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 5);
    FUTEX(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 5);
    FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0);
    FUTEX(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    return wrong;
}
