/*
 * tracees_threads -- a traced process of several threads: clone events, group stops of all, exits one by one, exec by another
 */
#include "guest.h"
#include "ptrace.h"

static volatile int *shared;

static void *second(void *argument)
{
    shared[0] = syscall(SYS_gettid);
    while (!shared[1])
        usleep(1000);
    if (shared[1] == 2) {
        execl("/proc/self/exe", "tracees_threads", "again", NULL);
        _exit(98);
    }
    syscall(SYS_exit, 4);
    return NULL;
}

static void tracee(void)
{
    pthread_t thread;
    raise(SIGSTOP);
    pthread_create(&thread, NULL, second, NULL);
    if (shared[2])
        syscall(SYS_exit, 3);
    for (;;)
        pause();
}

static pid_t first;

static const char *who(pid_t pid)
{
    return pid == first ? "first" : pid == shared[0] ? "second" : "new";
}

static int next(pid_t pid, int show)
{
    int status;
    pid_t got = waitpid(pid, &status, __WALL);
    if (got == -1) {
        out("wait: %s\n", errno_name(errno));
        return 0;
    }
    if (show)
        out("%s: %s\n", pid == -1 ? who(got) : who(pid), stop_name(status));
    return status;
}

static pid_t start(int options, pid_t *thread)
{
    for (int i = 0; i < 8; i++)
        shared[i] = 0;
    first = FORK(tracee());
    waitpid(first, NULL, WUNTRACED);
    MUST(ptrace(PTRACE_SEIZE, first, 0, PTRACE_O_TRACECLONE | options));
    next(first, 1); /* the group stop */
    kill(first, SIGCONT);
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(first, 1);
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(first, 1);
    MUST(ptrace(PTRACE_CONT, first, 0, SIGCONT));
    next(first, 1);
    unsigned long message;
    MUST(ptrace(PTRACE_GETEVENTMSG, first, 0, &message));
    *thread = message;
    next(*thread, 1);
    MUST(ptrace(PTRACE_CONT, *thread, 0, 0));
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    while (!shared[0])
        sleep_ms(1);
    sleep_ms(20);
    return *thread;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 6;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t thread;
    int status;

    out("== a group stop of both\n");
    start(0, &thread);
    kill(first, SIGSTOP);
    status = 0;
    pid_t got = waitpid(-1, &status, __WALL);
    out("one of them: %s\n", stop_name(status));
    MUST(ptrace(PTRACE_CONT, got, 0, SIGSTOP));
    next(first, 1);
    next(thread, 1);
    kill(first, SIGCONT);
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    MUST(ptrace(PTRACE_CONT, thread, 0, 0));
    int events = 0, signals = 0;
    while (events < 2 || signals < 1) {
        got = waitpid(-1, &status, __WALL);
        if (status >> 16 == PTRACE_EVENT_STOP)
            events++;
        else if (WSTOPSIG(status) == SIGCONT)
            signals++;
        else
            out("%s\n", stop_name(status));
        MUST(ptrace(PTRACE_CONT, got, 0, 0));
    }
    out("both trapped again, SIGCONT seen once\n");
    TRY(ptrace(PTRACE_INTERRUPT, thread, 0, 0));
    next(thread, 1);
    MUST(ptrace(PTRACE_CONT, thread, 0, 0));

    out("== the second thread exits\n");
    shared[1] = 1;
    next(thread, 1);
    kill(first, SIGKILL);
    next(first, 1);

    out("== exit_group by signal: each thread is reported\n");
    start(PTRACE_O_TRACEEXIT, &thread);
    kill(first, SIGKILL);
    next(thread, 1);
    next(first, 1);
    unsigned long message;
    MUST(ptrace(PTRACE_GETEVENTMSG, thread, 0, &message));
    out("message: %s\n", status_name(message));
    MUST(ptrace(PTRACE_CONT, thread, 0, 0));
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(thread, 1);
    next(first, 1);

    out("== exec by the second thread\n");
    start(PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC, &thread);
    shared[1] = 2;
    next(first, 1);
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(first, 1);
    MUST(ptrace(PTRACE_GETEVENTMSG, first, 0, &message));
    out("message: %s\n", message == (unsigned long)thread ? "the old id" : "?");
    TRY(waitpid(thread, &status, __WALL | WNOHANG));
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(first, 1);
    MUST(ptrace(PTRACE_GETEVENTMSG, first, 0, &message));
    out("message: %s\n", status_name(message));
    MUST(ptrace(PTRACE_CONT, first, 0, 0));
    next(first, 1);
    return 0;
}
