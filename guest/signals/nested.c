/*
 * nested -- handlers interrupted by handlers, and system calls made inside them
 */
#include "guest.h"

static int pipes[2], depth;

static void on_rt(int number, siginfo_t *info, void *context)
{
    int level = number - SIGRTMIN;
    depth++;
    out("%*senter %d\n", depth, "", level);
    if (level < 5)
        sigqueue(getpid(), number + 1, (union sigval){0});
    errno = level;
    char byte;
    write(pipes[1], "x", 1);
    read(pipes[0], &byte, 1);
    out("%*sleave %d\n", depth, "", level);
    depth--;
}

static void on_alarm(int number) { write(pipes[1], "y", 1); }
static void on_usr1(int number)
{
    char byte = 0;
    struct itimerval timer = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    ssize_t length = read(pipes[0], &byte, 1); /* interrupted by SIGALRM, whose handler writes what we read */
    out("read inside a handler, restarted by an inner one: %zd %c\n", length, byte);
}

static volatile long spins;
static volatile int ticks;
static void on_tick(int number) { ticks++; }

int main(void)
{
    MUST(pipe(pipes));
    for (int i = 0; i <= 5; i++)
        handle_info(SIGRTMIN + i, on_rt, SA_NODEFER);
    raise(SIGRTMIN);
    handle(SIGUSR1, on_usr1, 0);
    handle(SIGALRM, on_alarm, SA_RESTART);
    raise(SIGUSR1);
    /* A computing program is interrupted too, and goes on where it was. */
    handle(SIGALRM, on_tick, 0);
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    unsigned long a = 1, b = 1;
    while (ticks < 10) {
        unsigned long c = a + b;
        a = b;
        b = c;
        spins++;
        if (b != c)
            out("WRONG\n");
    }
    timer.it_value.tv_usec = timer.it_interval.tv_usec = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
    expect(spins > 0 && ticks >= 10, "ten ticks came during a computation");
    return 0;
}
