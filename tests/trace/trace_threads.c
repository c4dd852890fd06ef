/* Threads: one execs while another sleeps and a third has ended; futexes of every kind before that. */
#include "trace.h"
#include <linux/futex.h>

static void *sleeper(void *argument)
{
    (void)argument;
    usleep(1000);
    return NULL;
}

static void *executor(void *argument)
{
    char *argv[] = {argument, "again", NULL}, *envp[] = {"A=1", NULL};
    usleep(50000);
    execve("/proc/self/exe", argv, envp);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned word = 1, other = 0;
    struct timespec us = {0, 1000};
    pthread_t first, second;

    if (argc > 1)
        return 7;
    CALL(futex, &word, FUTEX_WAIT, 0, 0L);
    CALL(futex, &word, FUTEX_WAIT_PRIVATE, 1, &us);
    CALL(futex, &word, FUTEX_WAKE_PRIVATE, 1);
    CALL(futex, &word, FUTEX_WAKE, 0x7fffffff);
    CALL(futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &us, 0L, -1);
    CALL(futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 1, &us, 0L, 5);
    CALL(futex, &word, FUTEX_WAKE_BITSET, 1, 0L, 0L, 3);
    CALL(futex, &word, FUTEX_REQUEUE_PRIVATE, 1, 2L, &other);
    CALL(futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 0x7fffffffL, &other, 1);
    CALL(futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1L, &other, FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 1));
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1L, &other, FUTEX_OP(FUTEX_OP_XOR | 8, 3, FUTEX_OP_CMP_NE, 5));
    word = 0;
    CALL(futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, 0L);
    CALL(futex, &word, FUTEX_TRYLOCK_PI_PRIVATE);
    CALL(futex, &word, FUTEX_UNLOCK_PI_PRIVATE);
    CALL(futex, &word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 1, 0L, &other);
    CALL(futex, &word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0L, &other, 1);
    CALL(futex, &word, 77, 1, 2L, 3L, 4);
    struct { uint64_t value, address; uint32_t flags, reserved; } wait = {1, (uintptr_t)&word, 130, 0};
    CALL(futex_waitv, &wait, 1, 0, 0L, 0);
    CALL(get_robust_list, 0, &wait.value, &wait.address);
    CALL(set_robust_list, 0L, 5L);
    pthread_create(&second, NULL, sleeper, NULL);
    pthread_join(second, NULL);
    pthread_create(&first, NULL, executor, argv[0]);
    for (;;)
        pause();
}
