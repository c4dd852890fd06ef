/*
 * tls -- thread-local variables and keys with destructors, in threads and over fork
 */
#include "guest.h"

static __thread int counter = 100;
static __thread char text[64];
static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
    __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST);
}

static void *run(void *argument)
{
    long number = (long)argument;
    pthread_setspecific(key, argument);
    for (int i = 0; i < 100; i++) {
        counter += number;
        if (i % 10 == 0)
            sched_yield();
    }
    snprintf(text, sizeof text, "thread %ld", number);
    sched_yield();
    char expected[64];
    snprintf(expected, sizeof expected, "thread %ld", number);
    if (strcmp(text, expected) != 0 || pthread_getspecific(key) != argument)
        return (void *)-1;
    return (void *)(long)counter;
}

int main(void)
{
    pthread_t threads[10];
    pthread_key_create(&key, destroy);
    for (long i = 1; i <= 10; i++)
        pthread_create(&threads[i - 1], NULL, run, (void *)i);
    for (int i = 0; i < 10; i++) {
        void *result;
        pthread_join(threads[i], &result);
        out("thread %d: %ld\n", i + 1, (long)result);
    }
    out("destructors saw %d, first thread's counter %d\n", destroyed, counter);
    counter = 7;
    pid_t child = FORK({
        counter++;
        _exit(counter);
    });
    out("child of fork: %s, parent keeps %d\n", status_name(reap(child)), counter);
    return 0;
}
