/*
 * cpu_limit -- RLIMIT_CPU: SIGXCPU at the soft limit, SIGKILL at the hard one
 * guest: slow=yes
 */
#include "guest.h"

static volatile int count;
static void on_xcpu(int number)
{
    count++;
    out("SIGXCPU number %d\n", count);
}

int main(void)
{
    struct rlimit limit = {1, 2}, none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    pid_t child = FORK({
        handle(SIGXCPU, on_xcpu, 0);
        setrlimit(RLIMIT_CPU, &limit);
        for (volatile unsigned long i = 0;; i++)
            ;
    });
    out("%s\n", status_name(reap(child)));
    limit.rlim_max = RLIM_INFINITY;
    child = FORK({
        setrlimit(RLIMIT_CPU, &(struct rlimit){1, 5});
        for (volatile unsigned long i = 0;; i++)
            ;
    });
    out("%s\n", status_name(reap(child)));
    return 0;
}
