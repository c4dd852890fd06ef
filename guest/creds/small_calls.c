/*
 * small_calls -- limits, scheduling, prctl, names, randomness, rseq, membarrier, kcmp: results and errors
 *
 * guest: needs=root libc=glibc
 */
#include "guest.h"
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <asm/prctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#define IN_CHILD(...) do { pid_t in_child = FORK({ __VA_ARGS__; }); int child_status = reap(in_child); if (child_status) out("child %s\n", status_name(child_status)); } while (0)
#define USER() (syscall(SYS_setresgid, 1, 1, 1), syscall(SYS_setresuid, 1, 1, 1))
struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t prio; uint64_t run, dead, period; uint32_t lo, hi; };

static void limits(void)
{
    struct rlimit64 r = {5, 4}, o;
    TRY(syscall(SYS_prlimit64, 0, 16, NULL, &o));
    TRY(syscall(SYS_prlimit64, 0, -1, NULL, &o));
    TRY(syscall(SYS_prlimit64, 0x3fffff, 0, NULL, &o));
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL));
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 8, NULL));
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, 8));
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL));
    TRY(syscall(SYS_getrlimit, 16, &r));
    TRY(syscall(SYS_getrlimit, 0, 8));
    TRY(syscall(SYS_setrlimit, 16, &r));
    TRY(syscall(SYS_setrlimit, 0, 8));
    r = (struct rlimit64){20000, 20000};
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL));
    r = (struct rlimit64){100, 200};
    IN_CHILD(TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, &o)); USER(); r.rlim_max = 201; TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, &o));
             out("old %lu %lu\n", (long)o.rlim_cur, (long)o.rlim_max); r.rlim_cur = 200; r.rlim_max = 200; TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL));
             TRY(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &o)); r = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY}; TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL)));
    IN_CHILD(r = (struct rlimit64){100, 1048577}; getrlimit(RLIMIT_NOFILE, (void *)&o); if (o.rlim_max <= 1048576) TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL)); else out("syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &r, NULL) = -1 EPERM\n"));
    struct rusage u;
    TRY(getrusage(RUSAGE_SELF, &u));
    TRY(getrusage(RUSAGE_CHILDREN, &u));
    TRY(getrusage(RUSAGE_THREAD, &u));
    TRY(getrusage(2, &u));
    TRY(syscall(SYS_getrusage, 0, 8));
    struct sysinfo si;
    TRY(sysinfo(&si));
    expect(si.totalram * si.mem_unit > 1 << 20 && si.freeram <= si.totalram, "sysinfo");
    TRY(syscall(SYS_sysinfo, 8));
}

static void scheduling(void)
{
    struct sched_param p = {0};
    struct attr a = {sizeof a};
    struct timespec t;
    char set[128] = {0};
    for (int policy = -1; policy < 8; policy++) {
        if (policy == 7)
            continue;
        out("policy %d: max %ld min %ld ", policy, syscall(SYS_sched_get_priority_max, policy), syscall(SYS_sched_get_priority_min, policy));
        for (int prio = -1; prio < 101; prio += 1 + (prio == 1) * 97) {
            p.sched_priority = prio;
            int r = syscall(SYS_sched_setscheduler, 0, policy, &p);
            out("%d:%s ", prio, r ? errno_name(errno) : "ok");
        }
        out("now %ld %ld\n", syscall(SYS_sched_getscheduler, 0), (syscall(SYS_sched_getparam, 0, &p), (long)p.sched_priority));
    }
    p.sched_priority = 0;
    syscall(SYS_sched_setscheduler, 0, 0, &p);
    TRY(syscall(SYS_sched_setscheduler, 0, 0, NULL));
    TRY(syscall(SYS_sched_setscheduler, 0, 0, 8));
    TRY(syscall(SYS_sched_setscheduler, -1, 0, &p));
    TRY(syscall(SYS_sched_setscheduler, 0x3fffff, 0, &p));
    TRY(syscall(SYS_sched_setparam, 0, &p));
    TRY(syscall(SYS_sched_setparam, 0, NULL));
    TRY(syscall(SYS_sched_setparam, -1, &p));
    TRY(syscall(SYS_sched_getparam, 0, NULL));
    TRY(syscall(SYS_sched_getparam, -1, &p));
    TRY(syscall(SYS_sched_getparam, 0, 8));
    TRY(syscall(SYS_sched_getscheduler, -1));
    TRY(syscall(SYS_sched_getscheduler, 0x3fffff));
    TRY(syscall(SYS_sched_rr_get_interval, 0, 8));
    TRY(syscall(SYS_sched_rr_get_interval, -1, &t));
    TRY(syscall(SYS_sched_rr_get_interval, 0x3fffff, &t));
    IN_CHILD(p.sched_priority = 5; TRY(syscall(SYS_sched_setscheduler, 0, SCHED_RR, &p)); syscall(SYS_sched_rr_get_interval, 0, &t); out("rr %ld\n", t.tv_nsec);
             TRY(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p)); syscall(SYS_sched_rr_get_interval, 0, &t); out("fifo %ld\n", t.tv_nsec);
             TRY(syscall(SYS_sched_getscheduler, 0)); IN_CHILD(TRY(syscall(SYS_sched_getscheduler, 0)));
             USER(); p.sched_priority = 6; TRY(syscall(SYS_sched_setparam, 0, &p)); p.sched_priority = 4; TRY(syscall(SYS_sched_setparam, 0, &p));
             TRY(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p)); TRY(syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &p)); p.sched_priority = 0;
             TRY(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE | SCHED_RESET_ON_FORK, &p)); TRY(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p)));
    TRY(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
    out("%u %u %lu %d %u %lu %lu\n", a.size, a.policy, (long)a.flags, a.nice, a.prio, (long)a.dead, (long)a.period);
    TRY(syscall(SYS_sched_getattr, 0, &a, 47, 0));
    TRY(syscall(SYS_sched_getattr, 0, &a, 48, 0));
    out("%u\n", a.size);
    TRY(syscall(SYS_sched_getattr, 0, &a, 4097, 0));
    TRY(syscall(SYS_sched_getattr, 0, &a, sizeof a, 1));
    TRY(syscall(SYS_sched_getattr, 0, NULL, sizeof a, 0));
    TRY(syscall(SYS_sched_getattr, -1, &a, sizeof a, 0));
    TRY(syscall(SYS_sched_getattr, 0x3fffff, &a, sizeof a, 0));
    a = (struct attr){sizeof a, 0, 0, 3};
    IN_CHILD(TRY(syscall(SYS_sched_setattr, 0, &a, 0)); TRY(getpriority(PRIO_PROCESS, 0)); a.nice = 100; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); TRY(getpriority(PRIO_PROCESS, 0));
             a.size = 47; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); out("size %u\n", a.size); a.size = 5000; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.size = 0; TRY(syscall(SYS_sched_setattr, 0, &a, 0));
             a.size = sizeof a; a.flags = 1 << 20; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.flags = 0; a.policy = 99; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.policy = -1; TRY(syscall(SYS_sched_setattr, 0, &a, 0));
             a.policy = 0; a.prio = 3; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.prio = 0; TRY(syscall(SYS_sched_setattr, 0, &a, 1)); TRY(syscall(SYS_sched_setattr, 0, NULL, 0));
             a.policy = 6; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.policy = 0; USER(); a.nice = 19; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); a.nice = 5; TRY(syscall(SYS_sched_setattr, 0, &a, 0)));
    TRY_OK(syscall(SYS_sched_getaffinity, 0, 128, set));
    TRY(syscall(SYS_sched_getaffinity, 0, 0, set));
    TRY(syscall(SYS_sched_getaffinity, 0, 7, set));
    TRY(syscall(SYS_sched_getaffinity, 0x3fffff, 128, set));
    TRY(syscall(SYS_sched_getaffinity, 0, 128, 8));
    TRY(syscall(SYS_sched_setaffinity, 0, 128, set));
    memset(set, 0, sizeof set);
    TRY(syscall(SYS_sched_setaffinity, 0, 128, set));
    set[0] = 1;
    TRY(syscall(SYS_sched_setaffinity, 0, 0, set));
    TRY(syscall(SYS_sched_setaffinity, 0, 8, 8));
    IN_CHILD(TRY(syscall(SYS_sched_setaffinity, 0, 1, set)); memset(set, 9, 16); syscall(SYS_sched_getaffinity, 0, 16, set); out("set %d\n", set[0]));
    TRY(syscall(SYS_sched_setaffinity, 0x3fffff, 8, set));
    TRY(sched_yield());
    unsigned cpu, node;
    TRY(syscall(SYS_getcpu, &cpu, &node, NULL));
    TRY(syscall(SYS_getcpu, NULL, NULL, NULL));
    TRY(syscall(SYS_getcpu, 8, NULL, NULL));

    TRY(syscall(SYS_getpriority, 0, 0));
    TRY(syscall(SYS_getpriority, 3, 0));
    TRY(syscall(SYS_getpriority, -1, 0));
    TRY(syscall(SYS_getpriority, 0, 0x3fffff));
    TRY(syscall(SYS_getpriority, 1, 0x3fffff));
    TRY(syscall(SYS_getpriority, 2, 54321));
    TRY(syscall(SYS_setpriority, 3, 0, 0));
    TRY(syscall(SYS_setpriority, 0, 0x3fffff, 0));
    IN_CHILD(TRY(syscall(SYS_setpriority, 0, 0, 5)); TRY(syscall(SYS_getpriority, 0, 0)); TRY(syscall(SYS_setpriority, 0, 0, -50)); TRY(syscall(SYS_getpriority, 0, 0)); TRY(syscall(SYS_setpriority, 0, 0, 50));
             TRY(syscall(SYS_getpriority, 0, 0)); USER(); TRY(syscall(SYS_setpriority, 0, 0, 18)); TRY(syscall(SYS_setpriority, 0, getppid(), 19)); setpgid(0, 0);
             TRY(syscall(SYS_setpriority, 1, 0, 19)); TRY(syscall(SYS_getpriority, 1, 0)); TRY(syscall(SYS_getpriority, 2, 0)));
    TRY(syscall(SYS_ioprio_get, 0, 0));
    TRY(syscall(SYS_ioprio_get, 1, 0x3fffff));
    TRY(syscall(SYS_ioprio_set, 4, 0, 0));
    TRY(syscall(SYS_ioprio_set, 1, 0x3fffff, 0));
    TRY(syscall(SYS_ioprio_set, 1, 0, 5));
    TRY(syscall(SYS_ioprio_set, 1, 0, 4 << 13));
    TRY(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
    TRY(syscall(SYS_ioprio_get, 1, 0));
    IN_CHILD(TRY(syscall(SYS_ioprio_get, 1, 0)); USER(); TRY(syscall(SYS_ioprio_set, 1, 0, 1 << 13)); TRY(syscall(SYS_ioprio_set, 1, 0, 3 << 13)); TRY(syscall(SYS_ioprio_set, 1, getppid(), 3 << 13)); TRY(syscall(SYS_ioprio_get, 1, 0)));
}

static void prctls(void)
{
    char name[17] = "";
    int v = 7;
    unsigned long w = 7;
    TRY(prctl(PR_SET_NAME, "a very long name indeed"));
    TRY(prctl(PR_GET_NAME, name));
    out("name %s\n", name);
    TRY(prctl(PR_SET_NAME, 8));
    TRY(prctl(PR_GET_NAME, 8));
    TRY(prctl(PR_SET_PDEATHSIG, 65));
    TRY(prctl(PR_SET_PDEATHSIG, -1));
    TRY(prctl(PR_SET_PDEATHSIG, 64));
    TRY(prctl(PR_GET_PDEATHSIG, &v));
    out("%d\n", v);
    TRY(prctl(PR_SET_PDEATHSIG, 0));
    TRY(prctl(PR_GET_PDEATHSIG, 8));
    TRY(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_GET_TIMING));
    TRY(prctl(PR_SET_TIMING, 1));
    TRY(prctl(PR_SET_TIMING, 0));
    TRY(prctl(PR_GET_SECCOMP));
    TRY(prctl(PR_GET_TSC, &v));
    out("%d\n", v);
    TRY(prctl(PR_SET_TSC, 1));
    TRY(prctl(PR_SET_TSC, 3));
    TRY(prctl(PR_GET_TIMERSLACK));
    TRY(prctl(PR_SET_TIMERSLACK, 77));
    TRY(prctl(PR_GET_TIMERSLACK));
    IN_CHILD(TRY(prctl(PR_GET_TIMERSLACK)); TRY(prctl(PR_SET_TIMERSLACK, 0)); TRY(prctl(PR_GET_TIMERSLACK)));
    TRY(prctl(PR_GET_CHILD_SUBREAPER, &v));
    out("%d\n", v);
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 5));
    TRY(prctl(PR_GET_CHILD_SUBREAPER, &v));
    out("%d\n", v);
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 0));
    IN_CHILD(TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
             TRY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)); TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); TRY(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0)); IN_CHILD(TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))));
    syscall(SYS_set_tid_address, &v);
    TRY(prctl(PR_GET_TID_ADDRESS, &w));
    expect(w == (unsigned long)&v, "tid address");
    TRY(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    TRY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    TRY(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
    TRY(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    TRY(prctl(PR_SET_THP_DISABLE, 1, 0, 1, 0));
    TRY(prctl(PR_GET_SPECULATION_CTRL, 77, 0, 0, 0));
    TRY(prctl(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0));
    TRY(prctl(PR_SET_SPECULATION_CTRL, 0, 4, 1, 0));
    TRY(prctl(PR_SET_SPECULATION_CTRL, 77, 4, 0, 0));
    TRY(prctl(PR_GET_ENDIAN, &v));
    TRY(prctl(PR_GET_UNALIGN, &v));
    TRY(prctl(PR_GET_FPEMU, &v));
    TRY(prctl(PR_GET_FPEXC, &v));
    TRY(prctl(9999));
    TRY(prctl(0));
    TRY(prctl(PR_CAP_AMBIENT, 0, 0, 0, 0));
    IN_CHILD(USER(); TRY(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0)); TRY(prctl(PR_SET_MM, 99, 0, 0, 0)); TRY(prctl(PR_CAPBSET_DROP, 1)); TRY(prctl(PR_SET_SECUREBITS, 1)));

    TRY(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000ul));
    TRY(syscall(SYS_arch_prctl, ARCH_GET_FS, 8));
    TRY(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x1234));
    TRY(syscall(SYS_arch_prctl, ARCH_GET_GS, &w));
    out("gs %lx\n", w);
    TRY(syscall(SYS_arch_prctl, 0, 0));
    TRY(syscall(SYS_arch_prctl, 0x3001, 0));
}

static void names(void)
{
    struct utsname u;
    TRY(uname(&u));
    TRY(syscall(SYS_uname, 8));
    out("%s %s\n", u.sysname, u.machine);
    char big[70];
    TRY(syscall(SYS_sethostname, big, 65));
    TRY(syscall(SYS_sethostname, big, -1));
    TRY(syscall(SYS_sethostname, 8, 3));
    TRY(syscall(SYS_setdomainname, big, 65));
    IN_CHILD(USER(); TRY(syscall(SYS_sethostname, big, 3)); TRY(syscall(SYS_setdomainname, big, 3)));
    TRY(personality(0xffffffff));
    TRY(personality(ADDR_NO_RANDOMIZE));
    TRY(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
    IN_CHILD(TRY(personality(0xffffffff) == ADDR_NO_RANDOMIZE); TRY(personality(UNAME26) == ADDR_NO_RANDOMIZE); uname(&u); out("%.3s\n", u.release));
    TRY(personality(0) == ADDR_NO_RANDOMIZE);
    TRY(getrandom(big, 10, 0));
    TRY(getrandom(big, 10, 7));
    TRY(getrandom(big, 10, 6));
    TRY(getrandom(big, 10, 8));
    TRY(getrandom(big, 10, GRND_NONBLOCK | GRND_RANDOM));
    TRY(getrandom((void *)8, 10, 0));
    TRY(getrandom((void *)8, 0, 0));
    char *m = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(m + 4096, 4096);
    TRY(getrandom(m + 4090, 100, 0));
}

static void *other(void *a) { *(volatile int *)a = syscall(SYS_gettid); while (*(volatile int *)a) sleep_ms(1); return NULL; }

static void rest(void)
{
    static char area[64] __attribute__((aligned(32)));
    pid_t me = getpid(), child = FORK(pause());
    pthread_t t;
    volatile int tid = 0;
    pthread_create(&t, NULL, other, (void *)&tid);
    while (!tid)
        sleep_ms(1);
    TRY(syscall(SYS_rseq, area, 32, 2, 1));
    TRY(syscall(SYS_rseq, area + 1, 32, 1, 1));
    extern ptrdiff_t __rseq_offset;
    char *mine = (char *)__builtin_thread_pointer() + __rseq_offset;
    TRY(syscall(SYS_rseq, area, 32, 0, 1));
    TRY(syscall(SYS_rseq, mine, 31, 0, 0x53053053));
    TRY(syscall(SYS_rseq, mine, 32, 0, 0x53053053));
    TRY(syscall(SYS_rseq, mine, 32, 0, 1));
    TRY(syscall(SYS_rseq, mine, 32, 1, 1));
    TRY(syscall(SYS_rseq, mine, 32, 1, 0x53053053));
    TRY(syscall(SYS_rseq, mine, 32, 1, 0x53053053));
    TRY(syscall(SYS_rseq, area, 31, 0, 1));
    TRY(syscall(SYS_rseq, area + 8, 32, 0, 1));
    TRY(syscall(SYS_rseq, 0xffff800000000000ul, 32, 0, 1));
    TRY(syscall(SYS_rseq, area, 32, 0, 1));
    TRY(syscall(SYS_rseq, area, 32, 1, 1));
    out("cpu id %d\n", *(int *)(area + 4));

    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, 1 << 20, 0, 0));
    TRY(syscall(SYS_membarrier, 3, 0, 0));
    TRY(syscall(SYS_membarrier, 512, 0, 0));
    IN_CHILD(TRY(syscall(SYS_membarrier, 512, 0, 0)));

    TRY(syscall(SYS_kcmp, me, me, KCMP_VM, 0, 0));
    TRY(!!syscall(SYS_kcmp, me, child, KCMP_VM, 0, 0));
    TRY(syscall(SYS_kcmp, me, tid, KCMP_VM, 0, 0));
    TRY(syscall(SYS_kcmp, me, tid, KCMP_FILES, 0, 0));
    TRY(syscall(SYS_kcmp, me, tid, KCMP_FS, 0, 0));
    TRY(syscall(SYS_kcmp, me, tid, KCMP_SIGHAND, 0, 0));
    TRY(syscall(SYS_kcmp, me, child, KCMP_FILE, 1, 1));
    TRY(syscall(SYS_kcmp, me, child, KCMP_FILE, 99, 1));
    TRY(syscall(SYS_kcmp, me, 0x3fffff, KCMP_FILE, 1, 1));
    TRY(syscall(SYS_kcmp, me, me, 99, 1, 1));
    tid = 0;
    pthread_join(t, NULL);
    kill(child, SIGKILL);
    reap(child);
    IN_CHILD(USER(); TRY(syscall(SYS_syslog, 3, area, 1)); TRY(syscall(SYS_vhangup)); TRY(syscall(SYS_reboot, 1, 2, 3, 0)));
    TRY(syscall(SYS_reboot, 1, 2, 3, 0));
    TRY(syscall(SYS_syslog, 99, area, 1));
    TRY(syscall(SYS_syslog, 2, NULL, 1));
    TRY(syscall(SYS_syslog, 3, area, -1));
}

int main(void)
{
    NEED_ROOT;
    limits();
    scheduling();
    prctls();
    names();
    rest();
    return wrong;
}
