/*
 * mutex -- many threads, one counter: plain, recursive, error-checking, try and timed locks
 */
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *increment(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        long value = counter;
        if (i % 100 == 0)
            sched_yield();
        counter = value + 1;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *try_all(void *argument)
{
    pthread_mutex_t *m = argument;
    struct timespec soon;
    TRY_P(pthread_mutex_trylock(m));
    TRY_P(pthread_mutex_unlock(m));
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    TRY_P(pthread_mutex_timedlock(m, &soon));
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, increment, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    out("8 x 2000 increments: %ld\n", counter);

    pthread_mutexattr_t attributes;
    pthread_mutex_t recursive, checking;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attributes);
    TRY_P(pthread_mutex_lock(&recursive));
    TRY_P(pthread_mutex_lock(&recursive));
    TRY_P(pthread_mutex_unlock(&recursive));
    TRY_P(pthread_mutex_unlock(&recursive));
    TRY_P(pthread_mutex_unlock(&recursive));
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&checking, &attributes);
    TRY_P(pthread_mutex_lock(&checking));
    TRY_P(pthread_mutex_lock(&checking));
    pthread_create(&threads[0], NULL, try_all, &checking);
    pthread_join(threads[0], NULL);
    TRY_P(pthread_mutex_unlock(&checking));
    return counter != 16000;
}
