/*
 * scheduling -- nice values, policies, affinity: getting, setting, permissions; sched_yield
 */
#include "guest.h"

int main(void)
{
    struct sched_param parameters = {0};
    TRY(sched_getscheduler(0));
    TRY(sched_get_priority_max(SCHED_FIFO));
    TRY(sched_get_priority_min(SCHED_RR));
    TRY(sched_get_priority_max(SCHED_OTHER));
    TRY(sched_get_priority_max(99));
    TRY(syscall(SYS_sched_getparam, 0, &parameters));
    out("priority %d\n", parameters.sched_priority);
    TRY(syscall(SYS_sched_getscheduler, -1));
    TRY(syscall(SYS_sched_getscheduler, 999999));
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(setpriority(PRIO_PROCESS, 0, 5));
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(setpriority(PRIO_PROCESS, 0, 100));
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(syscall(SYS_getpriority, PRIO_PROCESS, 0)); /* the raw call answers 20 - nice */
    TRY(setpriority(PRIO_PROCESS, 999999, 5));
    TRY(setpriority((__typeof__(PRIO_PROCESS))77, 0, 5));
    reap(FORK({
        out("inherited: %d\n", getpriority(PRIO_PROCESS, 0));
        if (geteuid() == 0)
            setresuid(1000, 1000, 1000);
        TRY(setpriority(PRIO_PROCESS, 0, 3));
        TRY(nice(-1));
        TRY(setpriority(PRIO_PROCESS, 0, 19));
        TRY(setpriority(PRIO_PROCESS, 1, 5));
        parameters.sched_priority = 1;
        TRY(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &parameters));
        parameters.sched_priority = 0;
        TRY(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &parameters));
        TRY(sched_getscheduler(0) == SCHED_BATCH || 1);
    }));
    cpu_set_t set;
    CPU_ZERO(&set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    CPU_SET(0, &set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    CPU_ZERO(&set);
    TRY(sched_getaffinity(0, sizeof set, &set));
    out("processors %d, first %d\n", CPU_COUNT(&set), CPU_ISSET(0, &set) != 0);
    TRY(syscall(SYS_sched_getaffinity, 0, 3L, &set));
    TRY(sched_getaffinity(999999, sizeof set, &set));
    TRY(sched_yield());
    struct timespec slice;
    TRY(syscall(SYS_sched_rr_get_interval, 0, &slice));
    out("on processor %d\n", sched_getcpu());
    return 0;
}
