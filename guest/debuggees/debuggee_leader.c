/*
 * debuggee_leader -- the first thread leaves; a second one goes on, execs or aborts
 * guest: libc=debug
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char *what = "";
static void hit(int number)
{
    static volatile int count;
    count += number;
}
static void *worker(void *argument)
{
    usleep(20000);
    hit(1);
    if (!strcmp(what, "exec"))
        execl("/bin/busybox", "busybox", "echo", "after exec", (char *)0);
    if (!strcmp(what, "abort"))
        abort();
    hit(2);
    return NULL;
}
int main(int count, char **words)
{
    pthread_t thread;
    if (count > 1)
        what = words[1];
    pthread_create(&thread, NULL, worker, NULL);
    if (!strcmp(what, "exec"))
        pause();
    pthread_exit(NULL);
}
