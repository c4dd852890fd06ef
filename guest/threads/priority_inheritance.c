/*
 * priority_inheritance -- mutexes with the PTHREAD_PRIO_INHERIT protocol go through FUTEX_LOCK_PI
 */
#include "guest.h"

static pthread_mutex_t lock;
static long counter;

static void *increment(void *argument)
{
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        long value = counter;
        if (i % 20 == 0)
            sched_yield();
        counter = value + 1;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *die_with_lock(void *argument)
{
    pthread_mutex_lock(&lock);
    return NULL;
}

static void *try_it(void *argument)
{
    TRY_P(pthread_mutex_trylock(&lock));
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += (soon.tv_nsec + 20000000) / 1000000000;
    soon.tv_nsec = (soon.tv_nsec + 20000000) % 1000000000;
    TRY_P(pthread_mutex_timedlock(&lock, &soon));
    return NULL;
}

int main(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    TRY_P(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    pthread_mutex_init(&lock, &attributes);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, increment, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    out("8 x 500 increments: %ld\n", counter);
    TRY_P(pthread_mutex_lock(&lock));
    pthread_create(&threads[0], NULL, try_it, NULL);
    pthread_join(threads[0], NULL);
    TRY_P(pthread_mutex_unlock(&lock));

    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &attributes);
    pthread_create(&threads[0], NULL, die_with_lock, NULL);
    pthread_join(threads[0], NULL);
    TRY_P(pthread_mutex_lock(&lock));
    TRY_P(pthread_mutex_consistent(&lock));
    TRY_P(pthread_mutex_unlock(&lock));
    return counter != 4000;
}
