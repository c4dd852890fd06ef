/*
 * rdtsc -- the time-stamp counter never goes back, in one thread and across a fork
 */
#include "guest.h"

static unsigned long rdtsc(void)
{
    unsigned low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (unsigned long)high << 32 | low;
}

int main(void)
{
    unsigned long last = rdtsc();
    int back = 0;
    for (int i = 0; i < 1000; i++) {
        unsigned long now = rdtsc();
        back += now < last;
        last = now;
    }
    expect(back == 0, "1,000 readings never go back");
    unsigned long before = rdtsc();
    sleep_ms(20);
    expect(rdtsc() > before, "it advances over a sleep");
    int pipes[2];
    MUST(pipe(pipes));
    before = rdtsc();
    pid_t child = FORK({
        unsigned long now = rdtsc();
        write(pipes[1], &now, sizeof now);
    });
    unsigned long theirs;
    read(pipes[0], &theirs, sizeof theirs);
    reap(child);
    expect(theirs >= before && rdtsc() >= theirs, "and is one clock for all processes");
    return wrong;
}
