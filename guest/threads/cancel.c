/*
 * cancel -- cancelling threads that block, that compute, that disabled it; clean-up handlers run
 */
#include "guest.h"

static int pipes[2];
static volatile int ready;

static void cleanup(void *argument) { out("clean-up: %s\n", (char *)argument); }

static void *blocked_in_read(void *argument)
{
    char byte;
    pthread_cleanup_push(cleanup, "outer");
    pthread_cleanup_push(cleanup, "inner");
    ready = 1;
    read(pipes[0], &byte, 1);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return "not cancelled";
}

static void *computing(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    ready = 1;
    for (volatile unsigned long i = 0;; i++)
        ;
    return NULL;
}

static void *deferring(void *argument)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    ready = 1;
    sleep_ms(40);
    out("still here while disabled\n");
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    return "not cancelled";
}

static void *exiting(void *argument)
{
    ready = 1;
    pthread_cleanup_push(cleanup, "at pthread_exit");
    pthread_exit("left");
    pthread_cleanup_pop(0);
    return NULL;
}

static void unlock(void *mutex) { pthread_mutex_unlock(mutex); }

static void *in_condition(void *argument)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(unlock, &lock);
    ready = 1;
    for (;;)
        pthread_cond_wait(&condition, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}

static void experiment(const char *name, void *(*body)(void *))
{
    pthread_t thread;
    void *result;
    ready = 0;
    pthread_create(&thread, NULL, body, NULL);
    while (!ready)
        sched_yield();
    sleep_ms(10);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    out("%s: %s\n", name, result == PTHREAD_CANCELED ? "cancelled" : (char *)result);
}

int main(void)
{
    MUST(pipe(pipes));
    experiment("blocked in read", blocked_in_read);
    experiment("computing", computing);
    experiment("deferring", deferring);
    experiment("exiting", exiting);
    experiment("waiting for a condition", in_condition);
    return 0;
}
