/*
 * futex_rounds -- 64 threads pass a token round a ring through futexes, 1,000 rounds
 *
 * Each step is a FUTEX_WAKE of the next thread and a FUTEX_WAIT for one's own turn.
 * guest: slow=yes args=64,1000 timeout=60
 */
#include "guest.h"
#include <linux/futex.h>

static int turn[256];
static long steps;
static int threads_count, rounds;

static void futex_wait(int *word, int value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(int *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

static void *member(void *argument)
{
    long me = (long)argument, next = (me + 1) % threads_count;
    for (int round = 1; round <= rounds; round++) {
        int seen;
        while ((seen = __atomic_load_n(&turn[me], __ATOMIC_ACQUIRE)) < round)
            futex_wait(&turn[me], seen);
        steps++;
        __atomic_store_n(&turn[next], next == 0 ? round + 1 : round, __ATOMIC_RELEASE);
        futex_wake(&turn[next]);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    threads_count = argc > 1 ? atoi(argv[1]) : 64;
    rounds = argc > 2 ? atoi(argv[2]) : 1000;
    pthread_t threads[256];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    for (long i = 0; i < threads_count; i++)
        pthread_create(&threads[i], &attributes, member, (void *)i);
    turn[0] = 1;
    futex_wake(&turn[0]);
    for (int i = 0; i < threads_count; i++)
        pthread_join(threads[i], NULL);
    out("%d threads, %ld steps\n", threads_count, steps);
    return steps != (long)threads_count * rounds;
}
