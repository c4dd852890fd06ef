/*
 * threads_and_signals -- which thread takes a process-directed signal; masks and queues per thread
 */
#include "guest.h"

static pid_t main_tid;
static volatile pid_t taken_by;
static volatile int order;
static int pipes[2];

static void on_signal(int number)
{
    taken_by = syscall(SYS_gettid);
    order++;
}

static void *unblocked(void *argument)
{
    mask(SIG_UNBLOCK, SIGUSR1);
    *(volatile pid_t *)argument = syscall(SYS_gettid);
    while (!order)
        sleep_ms(2);
    return NULL;
}

static void *waiter(void *argument)
{
    sigset_t set;
    int number = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    *(volatile pid_t *)argument = syscall(SYS_gettid);
    sigwait(&set, &number);
    out("sigwait in a thread took %s\n", signal_name(number));
    return NULL;
}

static void *sleeper(void *argument)
{
    char byte;
    *(volatile pid_t *)argument = syscall(SYS_gettid);
    errno = 0;
    ssize_t length = read(pipes[0], &byte, 1);
    out("thread's read: %s\n", length < 0 ? errno_name(errno) : "completed");
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), volatile pid_t *tid)
{
    *tid = 0;
    pthread_create(thread, NULL, body, (void *)tid);
    while (!*tid)
        sched_yield();
    sleep_ms(10);
}

int main(void)
{
    pthread_t thread;
    volatile pid_t tid;
    main_tid = syscall(SYS_gettid);
    MUST(pipe(pipes));
    handle(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    mask(SIG_BLOCK, SIGUSR2);
    start(&thread, unblocked, &tid);
    kill(getpid(), SIGUSR1);
    pthread_join(thread, NULL);
    out("with the first thread blocking it, the other takes it: %d\n", taken_by == tid);

    start(&thread, waiter, &tid);
    kill(getpid(), SIGUSR2);
    pthread_join(thread, NULL);

    mask(SIG_UNBLOCK, SIGUSR1);
    order = 0;
    kill(getpid(), SIGUSR1);
    out("the first thread is preferred: %d\n", taken_by == main_tid);

    start(&thread, sleeper, &tid);
    mask(SIG_BLOCK, SIGUSR1);
    pthread_kill(thread, 0);
    out("a directed signal stays with its thread\n");
    /* The thread inherited USR1 unblocked; a tgkill to it interrupts its read only. */
    syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
    pthread_join(thread, NULL);
    out("taken by it: %d\n", taken_by == tid);
    sigset_t pending;
    sigpending(&pending);
    out("pending here: %d\n", sigismember(&pending, SIGUSR1));

    /* The mask is inherited at creation; a pending signal is not. */
    syscall(SYS_tgkill, getpid(), main_tid, SIGUSR1);
    sigpending(&pending);
    out("own queue: %d\n", sigismember(&pending, SIGUSR1));
    pid_t child = FORK({
        sigpending(&pending);
        _exit(sigismember(&pending, SIGUSR1));
    });
    out("a child's: %s\n", status_name(reap(child)));
    return 0;
}
