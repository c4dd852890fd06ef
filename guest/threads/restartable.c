/*
 * restartable -- a restartable sequence is aborted by a signal and by preemption, and only inside its critical section
 *
 * guest: libc=glibc
 */
#include "guest.h"
#include <linux/rseq.h>

#define SIGNATURE 0x53053053
extern ptrdiff_t __rseq_offset;
extern unsigned __rseq_size;

static volatile int stop, handled;
static volatile long handler_saw;

static struct rseq *area(void) { return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset); }
static void handler(int s)
{
    handled++;
    handler_saw = (long)area()->rseq_cs;
}

/* Stay in a critical section until it is aborted; returns how many rounds it took, or -1 if it ran through. */
static long stay(struct rseq *r, long rounds, int *aborted)
{
    long left = rounds;
    *aborted = 0;
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n\t.balign 32\n"
        "7:\n\t.long 0, 0\n\t.quad 1f, 2f - 1f, 4f\n\t.popsection\n\t"
        "leaq 7b(%%rip), %%rax\n\t"
        "movq %%rax, %[cs]\n"
        "1:\n\t"
        "decq %[left]\n\t"
        "jnz 1b\n"
        "2:\n\t"
        "jmp 5f\n\t"
        ".byte 0x0f, 0xb9, 0x3d\n\t"
        ".long 0x53053053\n"
        "4:\n\t"
        "movl $1, %[aborted]\n"
        "5:\n"
        : [left] "+r"(left), [aborted] "=m"(*aborted), [cs] "=m"(r->rseq_cs)
        :
        : "rax", "memory", "cc");
    return left;
}
static void *busy(void *a)
{
    while (!stop)
        ;
    return NULL;
}

int main(void)
{
    int aborted;
    struct rseq *r = area();

    if (__rseq_size == 0) {
        out("skipped: the C library did not register\n");
        return 0;
    }
    expect(r->cpu_id == r->cpu_id_start, "cpu id is set");
    stay(r, 10, &aborted);
    expect(!aborted, "a short section runs through");

    handle(SIGALRM, handler, 0);
    struct itimerval it = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &it, NULL);
    long left;
    do
        left = stay(r, 1L << 40, &aborted);  /* may be preempted before */
    while (!handled);
    expect(aborted && left > 0, "a signal aborts it");
    expect(handled == 1 && handler_saw == 0, "before the handler runs");

    setitimer(ITIMER_REAL, &it, NULL);
    stay(r, 10, &aborted);
    while (handled < 2)
        ;
    expect(r->rseq_cs == 0, "a signal outside clears a stale descriptor");

    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(r->cpu_id, &one);
    MUST(sched_setaffinity(0, sizeof one, &one));
    pthread_t t;
    pthread_create(&t, NULL, busy, NULL);
    left = stay(r, 1L << 40, &aborted);
    stop = 1;
    pthread_join(t, NULL);
    expect(aborted && left > 0, "preemption aborts it");

    /* a wrong signature before the abort address kills */
    pid_t child = FORK({
        static struct rseq_cs bad __attribute__((aligned(32)));
        bad.start_ip = (uintptr_t)main;
        bad.post_commit_offset = 1;
        bad.abort_ip = (uintptr_t)stay;
        r->rseq_cs = (uintptr_t)&bad;
        raise(SIGALRM);
    });
    out("wrong signature: %s\n", status_name(reap(child)));
    child = FORK({
        r->rseq_cs = 8;
        raise(SIGALRM);
    });
    out("wrong descriptor: %s\n", status_name(reap(child)));
    return wrong;
}
