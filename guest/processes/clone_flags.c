/*
 * clone_flags -- each flag of clone(2) by itself: what is shared, what is written where, and which combinations are refused
 */
#include "guest.h"
#include "rawclone.h"
#include <linux/futex.h>

static volatile int word;
static int pipes[2];
static pid_t expected_parent;

static int set_word(void *argument)
{
    word = 5;
    return 3;
}

static int close_pipe(void *argument)
{
    close(pipes[1]);
    return 0;
}

static int change_fs(void *argument)
{
    chdir("/proc");
    umask(0777);
    return 0;
}

static void on_usr1(int number) {}

static int change_handler(void *argument)
{
    handle(SIGUSR1, on_usr1, 0);
    return 0;
}

static int check_parent(void *argument) { return getppid() == expected_parent ? 0 : 1; }

static int read_tls(void *argument)
{
    long value;
    asm volatile("movq %%fs:8, %0" : "=r"(value));
    return value == 4242 ? 0 : 1;
}

static int nothing(void *argument) { return 0; }

static int child_tid_of(void *argument) { return *(int *)argument == (int)syscall(SYS_gettid) ? 0 : 1; }

static pid_t start(unsigned long flags, int (*body)(void *), void *argument)
{
    return MUST(raw_clone(flags, new_stack(), NULL, NULL, NULL, body, argument));
}

int main(void)
{
    char directory[PATH_MAX];
    struct sigaction action;
    MUST(pipe(pipes));

    word = 0;
    out("no flag: %s", status_name(reap(start(SIGCHLD, set_word, NULL))));
    out(", word %d\n", word);
    out("CLONE_VM: %s", status_name(reap(start(CLONE_VM | SIGCHLD, set_word, NULL))));
    out(", word %d\n", word);

    reap(start(SIGCHLD, close_pipe, NULL));
    out("without CLONE_FILES: write %zd\n", write(pipes[1], "x", 1));
    reap(start(CLONE_FILES | SIGCHLD, close_pipe, NULL));
    out("with CLONE_FILES: write %s\n", write(pipes[1], "x", 1) < 0 ? errno_name(errno) : "works");

    chdir("/");
    umask(022);
    reap(start(SIGCHLD, change_fs, NULL));
    out("without CLONE_FS: %s %#o\n", getcwd(directory, sizeof directory), umask(022));
    reap(start(CLONE_FS | SIGCHLD, change_fs, NULL));
    out("with CLONE_FS: %s %#o\n", getcwd(directory, sizeof directory), umask(022));

    reap(start(CLONE_VM | SIGCHLD, change_handler, NULL));
    sigaction(SIGUSR1, NULL, &action);
    out("CLONE_VM without CLONE_SIGHAND: handler %s\n", action.sa_handler == SIG_DFL ? "default" : "set");
    reap(start(CLONE_VM | CLONE_SIGHAND | SIGCHLD, change_handler, NULL));
    sigaction(SIGUSR1, NULL, &action);
    out("with CLONE_SIGHAND: handler %s\n", action.sa_handler == SIG_DFL ? "default" : "set");
    handle(SIGUSR1, SIG_DFL, 0);

    /* CLONE_PARENT: the child is a sibling. */
    expected_parent = getpid();
    int results[2];
    MUST(pipe(results));
    pid_t middle = FORK({
        pid_t sibling = start(CLONE_PARENT | SIGCHLD, check_parent, NULL);
        write(results[1], &sibling, sizeof sibling);
        _exit(waitpid(sibling, NULL, __WALL) == -1 && errno == ECHILD ? 0 : 1);
    });
    pid_t sibling;
    read(results[0], &sibling, sizeof sibling);
    out("CLONE_PARENT: creator cannot wait for it: %s\n", status_name(reap(middle)));
    out("CLONE_PARENT: its parent is ours: %s\n", status_name(reap(sibling)));

    int tids[3] = {0, 0, 0};
    pid_t pid = MUST(raw_clone(CLONE_PARENT_SETTID | SIGCHLD, new_stack(), &tids[0], &tids[1], NULL, nothing, NULL));
    expect(tids[0] == pid && tids[1] == 0, "CLONE_PARENT_SETTID writes here");
    reap(pid);
    pid = MUST(raw_clone(CLONE_CHILD_SETTID | SIGCHLD, new_stack(), NULL, &tids[1], NULL, child_tid_of, &tids[1]));
    expect(tids[1] == 0, "CLONE_CHILD_SETTID does not write to the parent's memory");
    out("CLONE_CHILD_SETTID writes to the child's: %s\n", status_name(reap(pid)));
    tids[2] = 1;
    pid = MUST(raw_clone(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, new_stack(), NULL, &tids[2], NULL, nothing, NULL));
    while (__atomic_load_n(&tids[2], __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &tids[2], FUTEX_WAIT, 1, NULL, NULL, 0);
    out("CLONE_CHILD_CLEARTID cleared and woke\n");
    reap(pid);
    tids[2] = 1;
    pid = MUST(raw_clone(CLONE_CHILD_CLEARTID | SIGCHLD, new_stack(), NULL, &tids[2], NULL, nothing, NULL));
    reap(pid);
    out("CLONE_CHILD_CLEARTID without CLONE_VM: %d\n", tids[2]);

    long block[4] = {0, 4242};
    block[0] = (long)block;
    pid = MUST(raw_clone(CLONE_SETTLS | CLONE_VM | SIGCHLD, new_stack(), NULL, NULL, block, read_tls, NULL));
    out("CLONE_SETTLS: %s\n", status_name(reap(pid)));

    int pidfd = -1;
    pid = MUST(raw_clone(CLONE_PIDFD | SIGCHLD, new_stack(), &pidfd, NULL, NULL, nothing, NULL));
    expect(pidfd > 2 && (fcntl(pidfd, F_GETFD) & FD_CLOEXEC), "CLONE_PIDFD gives a descriptor, close-on-exec");
    struct pollfd wait_for = {pidfd, POLLIN, 0};
    out("poll %d", poll(&wait_for, 1, 5000));
    out(" revents %#x\n", wait_for.revents);
    reap(pid);
    close(pidfd);

    /* Refused: */
    void *stack = new_stack();
    TRY(raw_clone(CLONE_SIGHAND | SIGCHLD, stack, NULL, NULL, NULL, nothing, NULL));
    TRY(raw_clone(CLONE_THREAD | SIGCHLD, stack, NULL, NULL, NULL, nothing, NULL));
    TRY(raw_clone(CLONE_THREAD | CLONE_VM | SIGCHLD, stack, NULL, NULL, NULL, nothing, NULL));
    TRY(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD, stack, NULL, NULL, NULL, nothing, NULL));
    TRY(raw_clone(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, stack, &pidfd, NULL, NULL, nothing, NULL));
    TRY(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, stack, &pidfd, NULL, NULL, nothing, NULL));
    TRY(wait(NULL));
    return wrong;
}
