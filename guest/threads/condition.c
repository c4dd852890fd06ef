/*
 * condition -- a bounded buffer with condition variables, broadcast, and timed waits
 */
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int buffer[4], used, finished;
static long consumed, sum;

static void *produce(void *argument)
{
    for (int i = 1; i <= 500; i++) {
        pthread_mutex_lock(&lock);
        while (used == 4)
            pthread_cond_wait(&not_full, &lock);
        buffer[used++] = i;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *consume(void *argument)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (used == 0 && !finished)
            pthread_cond_wait(&not_empty, &lock);
        if (used == 0)
            break;
        sum += buffer[--used];
        consumed++;
        pthread_cond_signal(&not_full);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    pthread_t producers[4], consumers[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&producers[i], NULL, produce, NULL);
        pthread_create(&consumers[i], NULL, consume, NULL);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(producers[i], NULL);
    pthread_mutex_lock(&lock);
    finished = 1;
    pthread_cond_broadcast(&not_empty);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 4; i++)
        pthread_join(consumers[i], NULL);
    out("consumed %ld, sum %ld\n", consumed, sum);

    struct timespec when;
    pthread_mutex_lock(&lock);
    clock_gettime(CLOCK_REALTIME, &when);
    TRY_P(pthread_cond_timedwait(&not_empty, &lock, &when));
    pthread_condattr_t attributes;
    pthread_cond_t monotonic;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&monotonic, &attributes);
    long before = now_ms();
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += (when.tv_nsec + 50000000) / 1000000000;
    when.tv_nsec = (when.tv_nsec + 50000000) % 1000000000;
    TRY_P(pthread_cond_timedwait(&monotonic, &lock, &when));
    expect(now_ms() - before >= 49, "the wait lasted until its time");
    pthread_mutex_unlock(&lock);
    return wrong;
}
