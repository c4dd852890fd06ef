/*
 * exec_deadlock -- a tracer attaches to a process that is in execve, which waits for a corpse that only the tracer can reap
 * guest: native=no
 *
 * Mainline never gets out of it: execve holds the lock the second attach needs.  Without leaders execve does not wait for reaping.
 */
#include "guest.h"
#include <pthread.h>
#include <sys/ptrace.h>

static int up[2], down[2];

static void *victim(void *argument)
{
    char byte;
    int tid = syscall(SYS_gettid);
    write(up[1], &tid, sizeof tid);
    read(down[0], &byte, 1);
    return NULL;
}

static void *executor(void *argument)
{
    char byte;
    read(down[0], &byte, 1);
    execl("/proc/self/exe", "exec_deadlock", "again", (char *)NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        _exit(6);
    MUST(pipe(up));
    MUST(pipe(down));
    pid_t child = FORK({
        pthread_t first, second;
        pthread_create(&first, NULL, victim, NULL);
        sleep_ms(20);
        pthread_create(&second, NULL, executor, NULL);
        for (;;)
            pause();
    });
    int tid, status;
    read(up[0], &tid, sizeof tid);
    MUST(ptrace(PTRACE_SEIZE, tid, 0, 0));
    sleep_ms(40);
    write(down[1], "x", 1); /* the victim ends and stays a corpse for its tracer */
    sleep_ms(40);
    write(down[1], "x", 1); /* the other thread calls execve */
    sleep_ms(40);
    ptrace(PTRACE_SEIZE, child, 0, 0);
    out("attached or refused, not asleep\n");
    MUST(waitpid(tid, &status, __WALL));
    MUST(waitpid(child, &status, __WALL));
    out("%s\n", status_name(status));
    return 0;
}
