/*
 * futex_errors -- the argument checks of every futex operation
 */
#include "guest.h"
#include <linux/futex.h>

static int word, other;

/* FUTEX_OP with the argument as a shift count; the macro of the header shifts into the sign bit here. */
#define SHIFTED_OR ((unsigned)(FUTEX_OP_OPARG_SHIFT | FUTEX_OP_OR) << 28 | FUTEX_OP_CMP_LT << 24 | 4 << 12)

static long futex(int *uaddr, int op, unsigned value, void *timeout, int *uaddr2, unsigned value3)
{
    return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
}

int main(void)
{
    struct timespec zero = {0, 0}, negative = {-1, 0}, large = {0, 1000000000};
    word = 5;
    TRY(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 5, &zero, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_PRIVATE, 5, &zero, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 5, &negative, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 5, &large, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 5, (void *)8, NULL, 0));
    TRY(futex((int *)((char *)&word + 1), FUTEX_WAIT, 5, &zero, NULL, 0));
    TRY(futex(NULL, FUTEX_WAIT, 0, &zero, NULL, 0));
    TRY(futex((int *)0xffff800000000000, FUTEX_WAIT, 0, &zero, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex((int *)((char *)&word + 2), FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_BITSET, 5, &zero, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_BITSET, 5, &zero, NULL, 1));
    TRY(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &zero, NULL, 1));
    TRY(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1));
    TRY(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_REQUEUE, 1, (void *)1L, &other, 0));
    TRY(futex(&word, FUTEX_REQUEUE, -1, (void *)1L, &other, 0));
    TRY(futex(&word, FUTEX_REQUEUE, 1, (void *)-1L, &other, 0));
    TRY(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1L, &other, 4));
    TRY(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1L, &other, 5));
    TRY(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1L, (int *)((char *)&other + 1), 5));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)));
    out("other %d\n", other);
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 7)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_OR, 5, FUTEX_OP_CMP_GT, 0)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_ANDN, 6, FUTEX_OP_CMP_GT, 0)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_GT, 0)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, SHIFTED_OR));
    out("other %d\n", other);
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(6, 1, FUTEX_OP_CMP_LT, 0)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_SET, 1, 7, 0)));
    TRY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, NULL, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
    TRY(futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
    TRY(futex(&word, 99, 0, NULL, NULL, 0));

    int tid = syscall(SYS_gettid);
    word = 0;
    TRY(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    expect(word == tid, "the word holds the thread id");
    TRY(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    out("word %d\n", word);
    TRY(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    word = 999999;
    TRY(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1L, &word, 0));
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PI, 2, (void *)1L, &other, 0));
    TRY(futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0));

    struct robust_list_head head = {{&head.list}, 0, NULL};
    TRY(syscall(SYS_set_robust_list, &head, sizeof head));
    TRY(syscall(SYS_set_robust_list, &head, 8L));
    void *got;
    size_t size;
    TRY(syscall(SYS_get_robust_list, 0, &got, &size));
    out("size %zu same %d\n", size, got == &head);
    TRY(syscall(SYS_get_robust_list, 999999, &got, &size));
    return wrong;
}
