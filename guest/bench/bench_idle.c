/*
 * bench_idle -- many idle processes or threads, for whoever measures memory from outside
 *
 * Arguments: "processes" or "threads", their number.  All of them have run and sleep in a system call when "start" is
 * written; when standard input ends they are ended, and "stop" is written.
 * guest: args=processes,20
 */
#include "bench.h"

static int gate[2], ready[2];

static void *idle(void *argument)
{
    char byte;
    write(ready[1], "r", 1);
    read(gate[0], &byte, 1);
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 && strcmp(argv[1], "threads") == 0;
    long n = number(argc, argv, 2, 0);
    char byte;
    pthread_attr_t attributes;
    MUST(pipe(gate));
    MUST(pipe(ready));
    pthread_t *ids = calloc(n + 1, sizeof *ids);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    for (long i = 0; i < n; i++) {
        if (threads) {
            if (pthread_create(&ids[i], &attributes, idle, NULL))
                return 1;
        } else if (MUST(fork()) == 0) {
            close(gate[1]);
            idle(NULL);
            _exit(0);
        }
    }
    for (long i = 0; i < n; i++)
        read(ready[0], &byte, 1);
    start();
    while (read(0, &byte, 1) > 0)
        ;
    close(gate[1]);
    for (long i = 0; threads && i < n; i++)
        pthread_join(ids[i], NULL);
    while (wait(NULL) > 0)
        ;
    stop();
    return 0;
}
