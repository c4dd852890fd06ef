/*
 * seize -- PTRACE_SEIZE: no stop on attach, INTERRUPT, LISTEN, group stops as events, detaching into a stop
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

static void waitid_once(pid_t pid, int flags)
{
    siginfo_t info = {0};
    if (waitid(P_PID, pid, &info, flags | WNOHANG | __WALL) == -1)
        out("waitid: %s\n", errno_name(errno));
    else if (info.si_pid == 0)
        out("waitid: nothing\n");
    else
        out("waitid: %s code %d status %#x\n", info.si_pid == pid ? "pid" : "other", info.si_code, info.si_status);
}

int main(void)
{
    pid_t pid = sleeper();
    TRY(ptrace(PTRACE_SEIZE, pid, 1, 0));
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0x400));
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0));
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0));
    TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
    stop(pid, WNOHANG);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));

    out("-- interrupt\n");
    TRY(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    out("state %c\n", task_state(pid));
    TRY(ptrace(PTRACE_INTERRUPT, pid, 0, 0)); /* remembered */
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGUSR1)); /* no injection from here */
    sleep_ms(20);
    stop(pid, WNOHANG);

    out("-- group stop, listen\n");
    kill(pid, SIGSTOP);
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));
    out("state %c\n", task_state(pid));
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));
    stop(pid, WNOHANG);
    kill(pid, SIGCONT);
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGCONT));
    sleep_ms(20);
    stop(pid, WNOHANG);

    out("-- interrupt ends listening\n");
    kill(pid, SIGTSTP);
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGTSTP));
    stop(pid, 0);
    TRY(ptrace(PTRACE_LISTEN, pid, 0, 0));
    TRY(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);

    out("-- detach into the group stop\n");
    TRY(ptrace(PTRACE_DETACH, pid, 0, 0));
    await_state(pid, "T");
    out("state %c\n", task_state(pid));
    kill(pid, SIGCONT);
    await_state(pid, "S");

    out("-- seize a stopped process\n");
    kill(pid, SIGSTOP);
    stop(pid, WUNTRACED);
    TRY(ptrace(PTRACE_SEIZE, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0)); /* runs although its process is stopped */
    await_state(pid, "S");
    out("state %c\n", task_state(pid));
    kill(pid, SIGCONT);
    stop(pid, 0);
    show_siginfo(pid);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    end(pid);

    out("-- killed while listening\n");
    pid = sleeper();
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    kill(pid, SIGSTOP);
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    MUST(ptrace(PTRACE_LISTEN, pid, 0, 0));
    end(pid);

    out("-- waitid\n");
    pid = sleeper();
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    await_state(pid, "t");
    waitid_once(pid, WEXITED);
    waitid_once(pid, WSTOPPED | WNOWAIT);
    waitid_once(pid, WSTOPPED | WNOWAIT);
    waitid_once(pid, WSTOPPED);
    waitid_once(pid, WSTOPPED);
    TRY(ptrace(PTRACE_DETACH, pid, 0, SIGTERM)); /* not a signal stop: the signal is lost */
    await_state(pid, "S");
    end(pid);
    return 0;
}
