/*
 * first_exits -- the first thread of a process ends and the others go on: the process lives until its last thread
 *
 * The parent sees one exit, with the status of the last thread (or of exit_group).
 */
#include "guest.h"

static pid_t parent;

static void *last(void *argument)
{
    sleep_ms(60);
    expect(getppid() == parent, "the parent is unchanged");
    expect(syscall(SYS_gettid) != getpid(), "the pid is not this thread's id");
    expect(kill(getpid(), 0) == 0, "the process can be signalled by its pid");
    pid_t child = FORK(_exit(3));
    out("its own child: %s\n", status_name(reap(child)));
    if (argument)
        syscall(SYS_exit, 5);
    exit(6);
}

static volatile int got;
static void on_usr1(int number) { got = 1; }

static void *signalled(void *argument)
{
    while (!got)
        sleep_ms(5);
    _exit(8);
}

static void first_leaves(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    pthread_create(&thread, NULL, body, argument);
    pthread_detach(thread);
    syscall(SYS_exit, 3);
}

int main(void)
{
    int status;
    parent = getpid();
    pid_t child = FORK(first_leaves(last, NULL));
    sleep_ms(20);
    out("while a thread lives, WNOHANG says %d\n", waitpid(child, &status, WNOHANG));
    out("exit(6) by the other thread: %s\n", status_name(reap(child)));
    child = FORK(first_leaves(last, "raw"));
    status = reap(child);
    out("last thread ends by exit(5): %s\n", status_name(status));

    handle(SIGUSR1, on_usr1, 0);
    child = FORK(first_leaves(signalled, NULL));
    sleep_ms(20);
    TRY(kill(child, SIGUSR1));
    out("a signal reaches the remaining thread: %s\n", status_name(reap(child)));
    child = FORK(first_leaves(signalled, NULL));
    sleep_ms(20);
    kill(child, SIGTERM);
    out("so does a fatal one: %s\n", status_name(reap(child)));
    return wrong;
}
