/*
 * robust_list -- the kernel walks the list of a dying thread: OWNER_DIED, one waiter woken, pending entry, loops survived
 */
#include "guest.h"
#include <linux/futex.h>

struct node {
    struct robust_list link;
    int word;
};

static struct {
    struct robust_list_head head;
    struct node nodes[4];
} *shared;

static void describe(const char *name, int word, pid_t owner)
{
    out("%s: %s%s%s\n", name, word & FUTEX_OWNER_DIED ? "OWNER_DIED " : "", word & FUTEX_WAITERS ? "WAITERS " : "",
        (word & FUTEX_TID_MASK) == 0 ? "no owner" : (int)(word & FUTEX_TID_MASK) == owner ? "owner kept" : "another owner");
}

static pid_t run(void (*prepare)(pid_t))
{
    memset(shared, 0, sizeof *shared);
    shared->head.list.next = &shared->head.list;
    shared->head.futex_offset = offsetof(struct node, word);
    pid_t pid = FORK({
        syscall(SYS_set_robust_list, &shared->head, sizeof shared->head);
        prepare(getpid());
        syscall(SYS_exit, 0);
    });
    reap(pid);
    return pid;
}

static void three(pid_t me)
{
    shared->head.list.next = &shared->nodes[0].link;
    shared->nodes[0].link.next = &shared->nodes[1].link;
    shared->nodes[1].link.next = &shared->nodes[2].link;
    shared->nodes[2].link.next = &shared->head.list;
    shared->nodes[0].word = me;
    shared->nodes[1].word = 12345; /* somebody else's */
    shared->nodes[2].word = me | FUTEX_WAITERS;
}

static void pending(pid_t me)
{
    shared->nodes[0].word = me;
    shared->head.list_op_pending = &shared->nodes[0].link;
}

static void loop(pid_t me)
{
    shared->head.list.next = &shared->nodes[0].link;
    shared->nodes[0].link.next = &shared->nodes[0].link;
    shared->nodes[0].word = me;
}

static void bad(pid_t me)
{
    shared->head.list.next = &shared->nodes[0].link;
    shared->nodes[0].link.next = (void *)8;
    shared->nodes[0].word = me;
    shared->nodes[1].word = me;
}

static void with_waiter(pid_t me)
{
    three(me);
    shared->nodes[3].word = 1;
    while (shared->nodes[3].word == 1)
        sleep_ms(1);
    sleep_ms(30);
}

int main(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = run(three);
    describe("first", shared->nodes[0].word, pid);
    out("somebody else's: %d\n", shared->nodes[1].word);
    describe("third", shared->nodes[2].word, pid);
    pid = run(pending);
    describe("pending", shared->nodes[0].word, pid);
    pid = run(loop);
    describe("loop", shared->nodes[0].word, pid);
    pid = run(bad);
    describe("before a bad pointer", shared->nodes[0].word, pid);
    pid_t waiter = FORK({
        while (*(volatile int *)&shared->nodes[3].word != 1)
            sleep_ms(1);
        int value = shared->nodes[2].word;
        shared->nodes[3].word = 2;
        struct timespec limit = {5, 0};
        _exit(syscall(SYS_futex, &shared->nodes[2].word, FUTEX_WAIT, value, &limit, NULL, 0) == 0 ? 0 : 1);
    });
    run(with_waiter);
    out("waiter: %s\n", status_name(reap(waiter)));
    return 0;
}
