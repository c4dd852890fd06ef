/*
 * debuggee_threads -- three threads that meet: two wait at a barrier while the first goes on
 * guest: libc=debug
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_barrier_t barrier, end;
static int values[3];
static __thread int mine;
static void work(int which)
{
    mine = which * 10;
    values[which] += mine;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&end);
}
static void *run(void *argument)
{
    work((int)(long)argument);
    return NULL;
}
static void meet(void)
{
    values[0]++;
}
int main(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_barrier_init(&end, NULL, 3);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    pthread_barrier_wait(&barrier);
    usleep(20000);
    meet();
    pthread_barrier_wait(&end);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d %d %d\n", values[0], values[1], values[2]);
    return 0;
}
