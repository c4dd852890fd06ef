/*
 * many_threads -- 2,000 threads alive at once, then all joined
 * guest: slow=yes args=2000 timeout=60
 */
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static int alive, leave;

static void *body(void *argument)
{
    pthread_mutex_lock(&lock);
    alive++;
    while (!leave)
        pthread_cond_wait(&change, &lock);
    pthread_mutex_unlock(&lock);
    return argument;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 2000;
    pthread_t *threads = calloc(count, sizeof *threads);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    for (long i = 0; i < count; i++) {
        int error = pthread_create(&threads[i], &attributes, body, (void *)i);
        if (error) {
            out("thread %ld: %s\n", i, errno_name(error));
            return 1;
        }
        /* Let it reach its wait before the next one comes. */
        pthread_mutex_lock(&lock);
        while (alive <= i && !leave) {
            pthread_mutex_unlock(&lock);
            sched_yield();
            pthread_mutex_lock(&lock);
        }
        pthread_mutex_unlock(&lock);
    }
    out("%d threads alive\n", alive);
    pthread_mutex_lock(&lock);
    leave = 1;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
    long sum = 0;
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    out("sum %ld\n", sum);
    return sum != (long)count * (count - 1) / 2;
}
