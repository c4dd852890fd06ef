/*
 * thread_bomb -- threads that start threads for ever
 * guest: native=no
 */
#include "guest.h"

static void *body(void *argument)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, body, NULL))
            sched_yield();
    }
    return NULL;
}

int main(void)
{
    body(NULL);
    return 0;
}
