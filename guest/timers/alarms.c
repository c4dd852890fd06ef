/*
 * alarms -- alarm and setitimer share the real timer; intervals repeat; the other two count CPU time
 */
#include "guest.h"

static volatile int real, virtual, prof;
static void on_real(int number) { real++; }
static void on_virtual(int number) { virtual++; }
static void on_prof(int number) { prof++; }

static volatile unsigned long sink;

/* glibc has an enumeration here, musl an int. */
#define WHICH(number) (__typeof__(ITIMER_REAL))(number)

int main(void)
{
    struct itimerval timer, old;
    handle(SIGALRM, on_real, 0);
    handle(SIGVTALRM, on_virtual, 0);
    handle(SIGPROF, on_prof, 0);
    TRY(alarm(100));
    unsigned left = alarm(50);
    out("left of the first: %s\n", left == 100 || left == 99 ? "99 or 100" : "something else");
    TRY(getitimer(ITIMER_REAL, &timer));
    out("getitimer sees the alarm: %d interval %ld\n", timer.it_value.tv_sec >= 48 && timer.it_value.tv_sec <= 50, (long)timer.it_interval.tv_sec);
    timer = (struct itimerval){{0, 20000}, {0, 20000}};
    TRY(setitimer(ITIMER_REAL, &timer, &old));
    out("the old one was the alarm: %d\n", old.it_value.tv_sec >= 48);
    long before = now_ms();
    while (real < 5)
        pause();
    expect(now_ms() - before >= 95, "five ticks took at least five intervals");
    memset(&timer, 0, sizeof timer);
    TRY(setitimer(ITIMER_REAL, &timer, &old));
    out("interval %ld us\n", (long)old.it_interval.tv_usec);
    int now = real;
    sleep_ms(50);
    out("after disarming: %d more\n", real - now);

    timer = (struct itimerval){{0, 0}, {0, 30000}};
    TRY(setitimer(ITIMER_VIRTUAL, &timer, NULL));
    sleep_ms(80);
    out("virtual timer while sleeping: %d\n", virtual);
    while (!virtual)
        sink++;
    out("after computing: %d\n", virtual);
    timer = (struct itimerval){{0, 10000}, {0, 10000}};
    TRY(setitimer(ITIMER_PROF, &timer, NULL));
    while (prof < 3)
        sink++;
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_PROF, &timer, NULL);
    out("profiling timer ticked\n");
    timer = (struct itimerval){{0, 0}, {0, 1000000}};
    TRY(setitimer(ITIMER_REAL, &timer, NULL));
    timer = (struct itimerval){{0, 0}, {-1, 0}};
    TRY(setitimer(ITIMER_REAL, &timer, NULL));
    TRY(setitimer(WHICH(3), &timer, NULL));
    TRY(getitimer(WHICH(7), &timer));
    TRY(syscall(SYS_setitimer, ITIMER_REAL, NULL, &old));
    out("default action: ");
    pid_t child = FORK({
        handle(SIGALRM, SIG_DFL, 0);
        timer = (struct itimerval){{0, 0}, {0, 10000}};
        setitimer(ITIMER_REAL, &timer, NULL);
        for (;;)
            pause();
    });
    out("%s\n", status_name(reap(child)));
    return wrong;
}
