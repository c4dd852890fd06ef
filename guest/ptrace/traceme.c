/*
 * traceme -- a child that asks to be traced: signal stops, suppressed, changed and injected signals, exec's SIGTRAP, SIGKILL
 */
#include "guest.h"
#include "ptrace.h"

static int caught;
static void on_signal(int number) { caught = number; }
static void on_info(int number, siginfo_t *info, void *context) { caught = info->si_value.sival_int; }

int main(void)
{
    /* The stop of a signal, each way to go on. */
    pid_t pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
        handle(SIGUSR1, on_signal, 0);
        handle(SIGUSR2, on_signal, 0);
        handle_info(SIGRTMIN, on_info, 0);
        raise(SIGUSR1);
        out("suppressed: caught %d\n", caught);
        raise(SIGUSR1);
        out("delivered: caught %s\n", signal_name(caught));
        raise(SIGUSR1);
        out("changed: caught %s\n", signal_name(caught));
        union sigval value = {.sival_int = 42};
        sigqueue(getpid(), SIGRTMIN, value);
        out("siginfo changed: caught %d\n", caught);
        handle(SIGUSR1, SIG_IGN, 0);
        raise(SIGUSR1);
        raise(SIGCHLD);
        raise(SIGSTOP);
        out("SIGSTOP suppressed\n");
        _exit(7);
    });
    siginfo_t info;
    stop(pid, 0); /* SIGUSR1 */
    show_siginfo(pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR1));
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
    stop(pid, 0);
    show_siginfo(pid);
    MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    out("value %d\n", info.si_value.sival_int);
    info.si_value.sival_int = 43;
    MUST(ptrace(PTRACE_SETSIGINFO, pid, 0, &info));
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGRTMIN));
    stop(pid, 0); /* ignored SIGUSR1 */
    TRY(ptrace(PTRACE_CONT, pid, 0, 65));
    TRY(ptrace(PTRACE_CONT, pid, 0, -1));
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR1));
    stop(pid, 0); /* SIGCHLD */
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
    stop(pid, 0); /* SIGSTOP */
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);

    /* A group stop, and SIGCONT. */
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        handle(SIGCONT, on_signal, 0);
        raise(SIGSTOP);
        out("after the stop: caught %s\n", caught ? signal_name(caught) : "nothing");
    });
    stop(pid, 0);
    show_siginfo(pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    show_siginfo(pid);
    out("state %c\n", task_state(pid));
    kill(pid, SIGCONT);
    int status;
    out("still stopped: %d\n", waitpid(pid, &status, WNOHANG | __WALL));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGCONT));
    stop(pid, 0);

    /* A fatal signal, injected. */
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGUSR1);
    });
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
    stop(pid, 0);

    /* SIGKILL ends a stop. */
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGUSR1);
    });
    stop(pid, 0);
    kill(pid, SIGKILL);
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));

    /* PTRACE_KILL. */
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGUSR1);
    });
    stop(pid, 0);
    TRY(ptrace(PTRACE_KILL, pid, 0, 0));
    stop(pid, 0);

    /* Exec without the option: a SIGTRAP in the new program. */
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        execl("/proc/self/exe", "traceme", "exit", NULL);
        _exit(99);
    });
    stop(pid, 0);
    show_siginfo(pid);
    kill(pid, SIGKILL);
    stop(pid, 0);

    /* Detached with a signal. */
    pid = FORK({
        handle(SIGUSR2, on_signal, 0);
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGUSR1);
        _exit(caught);
    });
    stop(pid, 0);
    TRY(ptrace(PTRACE_DETACH, pid, 0, 99));
    MUST(ptrace(PTRACE_DETACH, pid, 0, SIGUSR2));
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    return 0;
}
