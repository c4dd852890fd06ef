/*
 * debuggee_loop -- runs until it is told to end: what a debugger attaches to
 * guest: libc=debug
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
volatile int stop;
volatile long turns;
static void quit(int number)
{
    stop = 1;
}
static void *side(void *argument)
{
    while (!stop)
        usleep(1000);
    return NULL;
}
static void turn(int number)
{
    turns += number;
    usleep(1000);
}
int main(void)
{
    pthread_t thread;
    signal(SIGTERM, quit);
    pthread_create(&thread, NULL, side, NULL);
    while (!stop)
        turn(1);
    pthread_join(thread, NULL);
    puts("bye");
    return 7;
}
