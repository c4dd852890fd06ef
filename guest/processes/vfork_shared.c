/*
 * vfork_shared -- vfork: the parent waits until the child execs or exits, and they share memory until then
 */
#include "guest.h"
#include "rawclone.h"

static volatile int shared, order;

static int child_exits(void *argument)
{
    sleep_ms(30);
    shared = 7;
    order = order * 10 + 1;
    return 4;
}

static int child_execs(void *argument)
{
    sleep_ms(30);
    order = order * 10 + 1;
    execl("/proc/self/exe", "x", "image", (char *)NULL);
    return 99;
}

static int child_fails_to_exec(void *argument)
{
    order = order * 10 + 1;
    execl("/nonexistent", "x", (char *)NULL);
    order = order * 10 + 2;
    return 5;
}

static int child_dies(void *argument)
{
    shared = 9;
    kill(syscall(SYS_getpid), SIGKILL);
    return 0;
}

static int child_is_stopped(void *argument)
{
    order = order * 10 + 1;
    kill(syscall(SYS_getpid), SIGSTOP);
    order = order * 10 + 2;
    return 6;
}

static void experiment(const char *name, int (*body)(void *))
{
    order = shared = 0;
    void *stack = new_stack();
    pid_t pid = MUST(raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack, NULL, NULL, NULL, body, NULL));
    order = order * 10 + 3;
    int status = reap(pid);
    out("%s: order %d shared %d, %s\n", name, order, shared, status_name(status));
    munmap(stack, RAW_STACK);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        sleep_ms(30);
        return 8;
    }
    experiment("exits", child_exits);
    experiment("execs", child_execs);
    experiment("fails to exec", child_fails_to_exec);
    experiment("is killed", child_dies);

    /* A stopped child keeps the parent waiting; somebody else continues it. */
    pid_t me = getpid();
    pid_t helper = FORK({
        pid_t target = -1;
        for (int i = 0; i < 500 && target < 0; i++) {
            char path[64], line[256];
            snprintf(path, sizeof path, "/proc/%d/task/%d/children", me, me);
            FILE *file = fopen(path, "r");
            (void)line;
            int pid;
            while (file && fscanf(file, "%d", &pid) == 1)
                if (pid != getpid() && task_state(pid) == 'T')
                    target = pid;
            if (file)
                fclose(file);
            sleep_ms(2);
        }
        out("the stopped child was %s\n", target > 0 ? "found" : "not found");
        if (target > 0)
            kill(target, SIGCONT);
    });
    experiment("is stopped for a while", child_is_stopped);
    reap(helper);

    /* vfork without CLONE_VM: the parent waits, memory is copied. */
    order = 0;
    long before = now_ms();
    pid_t pid = raw_fork(CLONE_VFORK | SIGCHLD, NULL, NULL);
    if (pid == 0) {
        sleep_ms(30);
        order = 1;
        _exit(2);
    }
    expect(now_ms() - before >= 29, "CLONE_VFORK alone makes the parent wait");
    out("order %d, %s\n", order, status_name(reap(pid)));
    return 0;
}
