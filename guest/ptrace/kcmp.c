/*
 * kcmp -- what two threads share
 */
#include "guest.h"
#include <sys/epoll.h>

enum { FILE_, VM, FILES, FS, SIGHAND, IO, SYSVSEM, EPOLL_TFD };
struct slot {
    uint32_t efd, tfd, toff;
};

static long kcmp(long a, long b, long type, long x, long y)
{
    long result = syscall(SYS_kcmp, a, b, type, x, y);
    return result > 0 ? 1 : result; /* the order of two objects is the kernel's own */
}

static void kinds(long a, long b)
{
    static const char *names[] = {"VM", "FILES", "FS", "SIGHAND", "IO", "SYSVSEM"};
    for (int kind = VM; kind <= SYSVSEM; kind++) {
        long result = kcmp(a, b, kind, 0, 0);
        out("  %s: %s\n", names[kind - 1], result == -1 ? errno_name(errno) : result ? "differ" : "same");
    }
}

static volatile pid_t thread_id;
static void *thread_body(void *unused)
{
    thread_id = syscall(SYS_gettid);
    pause();
    return unused;
}

int main(void)
{
    long me = getpid();
    int ends[2], twin, other = open("/dev/null", O_RDONLY), null = open("/dev/null", O_RDONLY);
    MUST(pipe(ends));
    twin = dup(ends[0]);
    pid_t child = FORK({ pause(); });
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, thread_body, NULL));
    while (!thread_id)
        sleep_ms(1);
    out("-- with itself\n");
    kinds(me, me);
    out("-- with a child\n");
    kinds(me, child);
    out("-- with a thread\n");
    kinds(me, thread_id);
    out("-- files\n");
    TRY(kcmp(me, me, FILE_, ends[0], twin));
    TRY(kcmp(me, me, FILE_, ends[0], ends[1]));
    TRY(kcmp(me, me, FILE_, other, null));
    TRY(kcmp(me, child, FILE_, ends[0], twin));
    TRY(kcmp(me, child, FILE_, ends[1], twin));
    TRY(kcmp(me, thread_id, FILE_, ends[0], twin));
    TRY(kcmp(me, me, FILE_, 99, twin));
    TRY(kcmp(me, me, FILE_, twin, 99));
    TRY(kcmp(me, me, FILE_, -1, twin));
    TRY(kcmp(me, me, FILE_, 99, 99));
    out("order is an order: %d\n",
        syscall(SYS_kcmp, me, me, (long)FILE_, (long)ends[0], (long)ends[1]) + syscall(SYS_kcmp, me, me, (long)FILE_, (long)ends[1], (long)ends[0]) == 3);
    out("-- what is refused\n");
    TRY(kcmp(me, 0x3ffffe, VM, 0, 0));
    TRY(kcmp(0x3ffffe, me, VM, 0, 0));
    TRY(kcmp(0, 0, VM, 0, 0));
    TRY(kcmp(-1, me, VM, 0, 0));
    TRY(kcmp(me, me, 8, 0, 0));
    TRY(kcmp(me, me, -1, 0, 0));
    TRY(kcmp(0x3ffffe, me, 8, 0, 0));
    out("-- epoll\n");
    int epoll = epoll_create1(0), epoll2 = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, twin, &event));
    struct slot slot = {epoll, ends[0], 0};
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], (long)&slot));
    TRY(kcmp(me, me, EPOLL_TFD, twin, (long)&slot));
    TRY(kcmp(me, me, EPOLL_TFD, ends[1], (long)&slot));
    TRY(kcmp(me, me, EPOLL_TFD, 99, (long)&slot));
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], 8));
    slot.toff = 1;
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], (long)&slot));
    slot = (struct slot){epoll, ends[1], 0};
    TRY(kcmp(me, me, EPOLL_TFD, ends[1], (long)&slot));
    slot = (struct slot){epoll2, ends[0], 0};
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], (long)&slot));
    slot = (struct slot){99, ends[0], 0};
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], (long)&slot));
    slot = (struct slot){other, ends[0], 0};
    TRY(kcmp(me, me, EPOLL_TFD, ends[0], (long)&slot));
    out("-- the dead\n");
    kill(child, SIGKILL);
    await_state(child, "Z");
    kinds(me, child);
    TRY(kcmp(me, child, FILE_, 0, 0));
    kinds(child, child);
    reap(child);
    kinds(me, child);
    return 0;
}
