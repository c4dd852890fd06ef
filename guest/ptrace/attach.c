/*
 * attach -- PTRACE_ATTACH to sleeping and stopped processes, what only the tracer may do, and what its death means
 */
#include "guest.h"
#include "ptrace.h"

static pid_t sleeper(void)
{
    pid_t pid = FORK({
        setpgid(0, 0);
        for (;;)
            pause();
    });
    await_state(pid, "S");
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    out("%s\n", status_name(reap(pid)));
}

static void *other_thread(void *argument)
{
    pid_t pid = *(pid_t *)argument;
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    TRY(ptrace(PTRACE_PEEKUSER, pid, 0, 0) == -1 && errno == ESRCH);
    TRY(ptrace(PTRACE_DETACH, pid, 0, 0));
    TRY(ptrace(PTRACE_KILL, pid, 0, 0));
    int status;
    out("another thread waits with __WNOTHREAD: %s\n",
        waitpid(pid, &status, __WNOTHREAD | __WALL | WNOHANG) == -1 ? errno_name(errno) : "found");
    return NULL;
}

int main(void)
{
    TRY(ptrace(PTRACE_ATTACH, getpid(), 0, 0));
    TRY(ptrace(PTRACE_ATTACH, 0x7ffffff, 0, 0));
    TRY(ptrace(PTRACE_CONT, getpid(), 0, 0));
    pid_t pid = sleeper();
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    TRY(ptrace(PTRACE_DETACH, pid, 0, 0));
    TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    TRY(ptrace(PTRACE_INTERRUPT, pid, 0, 0)); /* only if seized */
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));

    out("-- another thread\n");
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, &pid);
    pthread_join(thread, NULL);

    out("-- another process\n");
    reap(FORK({
        TRY(ptrace(PTRACE_CONT, pid, 0, 0));
        TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    }));
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    TRY(ptrace(PTRACE_CONT, pid, 0, 0)); /* running */
    kill(pid, SIGSTOP);
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_DETACH, pid, 0, 0));
    await_state(pid, "T");
    kill(pid, SIGCONT);
    await_state(pid, "S");
    out("detached, running\n");

    out("-- a stopped process\n");
    kill(pid, SIGSTOP);
    stop(pid, WUNTRACED);
    TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0); /* the SIGSTOP of the attach */
    show_siginfo(pid);
    TRY(ptrace(PTRACE_DETACH, pid, 0, 0));
    await_state(pid, "T");
    out("state %c\n", task_state(pid));
    end(pid);

    out("-- a zombie\n");
    pid = FORK(_exit(3));
    await_state(pid, "Z");
    TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0));
    out("%s\n", status_name(reap(pid)));

    out("-- the tracer dies\n");
    pid = sleeper();
    pid_t tracer = FORK({
        MUST(ptrace(PTRACE_ATTACH, pid, 0, 0));
        stop(pid, 0);
    });
    reap(tracer);
    await_state(pid, "S");
    out("the tracee runs: state %c\n", task_state(pid));
    tracer = FORK({
        MUST(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL));
    });
    reap(tracer);
    out("with EXITKILL: %s\n", status_name(reap(pid)));

    out("-- the tracer dies with a dead tracee\n");
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    pid = FORK({
        read(pipes[0], &byte, 1);
        _exit(9);
    });
    int ready[2];
    MUST(pipe(ready));
    tracer = FORK({
        MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
        write(ready[1], "r", 1);
        for (;;)
            pause();
    });
    read(ready[0], &byte, 1);
    write(pipes[1], "x", 1);
    await_state(pid, "Z");
    int status;
    out("parent: %d\n", waitpid(pid, &status, WNOHANG));
    kill(tracer, SIGKILL);
    reap(tracer);
    out("parent: %s\n", status_name(reap(pid)));

    out("-- the real parent sees stops and the end\n");
    pid = sleeper();
    tracer = FORK({
        MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
        write(ready[1], "r", 1);
        stop(pid, 0);
        ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
        stop(pid, 0);
        ptrace(PTRACE_LISTEN, pid, 0, 0);
        stop(pid, 0);
        ptrace(PTRACE_CONT, pid, 0, 0);
        stop(pid, 0);
        ptrace(PTRACE_CONT, pid, 0, 0);
        stop(pid, 0);
        ptrace(PTRACE_CONT, pid, 0, SIGTERM);
        stop(pid, 0);
    });
    read(ready[0], &byte, 1);
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    sleep_ms(50);
    out("parent: %s\n", status_name(status));
    kill(pid, SIGCONT);
    waitpid(pid, &status, WCONTINUED);
    sleep_ms(50);
    out("parent: %s\n", status_name(status));
    kill(pid, SIGTERM);
    reap(tracer);
    out("parent: %s\n", status_name(reap(pid)));
    return 0;
}
