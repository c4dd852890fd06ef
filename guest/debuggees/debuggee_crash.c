/*
 * debuggee_crash -- the first thread crashes deep in a recursion while others sleep, read and compute
 * guest: libc=debug
 */
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>
static sem_t never;
static int ends[2];
static volatile unsigned long turns;
static int *volatile nowhere;
static void *sleeper(void *argument)
{
    sem_wait(&never);
    return argument;
}
static void *reader(void *argument)
{
    char byte;
    return read(ends[0], &byte, 1) ? argument : NULL;
}
static void *spinner(void *argument)
{
    for (;;)
        turns++;
    return argument;
}
static void crash(int depth)
{
    if (depth)
        crash(depth - 1);
    else
        *nowhere = 1;
}
int main(void)
{
    void *(*const bodies[])(void *) = {sleeper, reader, spinner};
    pthread_t thread;
    sem_init(&never, 0, 0);
    if (pipe(ends))
        return 1;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, bodies[i], NULL);
    while (turns < 1000)
        usleep(1000);
    usleep(20000);
    crash(2);
    return 0;
}
