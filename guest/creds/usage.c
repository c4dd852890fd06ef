/*
 * usage -- getrusage, times and the CPU clocks agree with what was done
 */
#include "guest.h"
#include <sys/times.h>

static long us(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void burn(long ms)
{
    struct timespec t;
    do {
        for (volatile int i = 0; i < 100000; i++)
            ;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

static void *thread(void *argument)
{
    struct rusage usage;
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (volatile int i = 0; i < 3000000; i++)
        ;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    expect(after.tv_sec * 1000000000L + after.tv_nsec > before.tv_sec * 1000000000L + before.tv_nsec, "thread CPU clock");
    TRY(getrusage(RUSAGE_THREAD, &usage));
    return NULL;
}

int main(void)
{
    struct rusage before, after;
    TRY(getrusage(RUSAGE_SELF, &before));
    burn(100);
    getrusage(RUSAGE_SELF, &after);
    expect(us(after.ru_utime) + us(after.ru_stime) >= 90000, "CPU time of the process counts");
    expect(after.ru_maxrss > 0, "maximum resident size is known");
    char *memory = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 8 << 20; i += 4096)
        memory[i] = 1;
    before = after;
    getrusage(RUSAGE_SELF, &after);
    expect(after.ru_minflt > before.ru_minflt, "page faults are counted");
    expect(after.ru_maxrss >= 8 << 10, "and resident pages");
    for (int i = 0; i < 3; i++)
        sleep_ms(5);
    before = after;
    getrusage(RUSAGE_SELF, &after);
    expect(after.ru_nvcsw > before.ru_nvcsw, "sleeping switches voluntarily");
    pid_t child = FORK(burn(60));
    getrusage(RUSAGE_CHILDREN, &before);
    reap(child);
    getrusage(RUSAGE_CHILDREN, &after);
    expect(us(before.ru_utime) + us(before.ru_stime) == 0 && us(after.ru_utime) + us(after.ru_stime) >= 50000,
           "a child's time counts once it was waited for");
    child = FORK({
        pid_t grandchild = FORK(burn(60));
        reap(grandchild);
    });
    reap(child);
    before = after;
    getrusage(RUSAGE_CHILDREN, &after);
    expect(us(after.ru_utime) + us(after.ru_stime) - us(before.ru_utime) - us(before.ru_stime) >= 50000,
           "a grandchild's comes with its parent's");
    struct tms tms;
    expect(times(&tms) != (clock_t)-1 && tms.tms_utime + tms.tms_stime >= 8 && tms.tms_cutime + tms.tms_cstime >= 10, "times");
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    TRY(syscall(SYS_getrusage, 5, &after));
    TRY(syscall(SYS_getrusage, RUSAGE_SELF, 8L));
    clockid_t clock;
    child = FORK(pause());
    TRY_P(clock_getcpuclockid(child, &clock));
    struct timespec time;
    TRY(clock_gettime(clock, &time));
    kill(child, SIGKILL);
    reap(child);
    TRY(clock_gettime(clock, &time));
    return wrong;
}
