/*
 * notifications -- what SIGCHLD and waitid say of ptrace stops, group stops and the end, to tracer and to parent
 */
#include "guest.h"
#include "ptrace.h"

static const char *who_names[4];
static pid_t who_pids[4];

static const char *who(pid_t pid)
{
    for (int i = 0; i < 4; i++)
        if (who_pids[i] && who_pids[i] == pid)
            return who_names[i];
    return "?";
}

static const char *code_name(int code)
{
    static const char *names[] = {"0", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    return code >= 0 && code <= 6 ? names[code] : "?";
}

/* Take the SIGCHLDs that have come (blocked), in order; only one can be pending. */
static void chld(void)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    struct timespec soon = {0, 80 * 1000000};
    while (sigtimedwait(&set, &info, &soon) == SIGCHLD) {
        out("  SIGCHLD %s %s %d\n", code_name(info.si_code), who(info.si_pid), info.si_status);
        soon.tv_nsec = 0;
    }
}

static int once(const char *text, pid_t pid, int flags)
{
    siginfo_t info = {0};
    if (waitid(P_PID, pid, &info, flags | __WALL) == -1)
        out("  waitid %s: %s\n", text, errno_name(errno));
    else if (info.si_pid == 0)
        out("  waitid %s: nothing\n", text);
    else
        out("  waitid %s: %s %s %#x\n", text, code_name(info.si_code), who(info.si_pid), info.si_status);
    return info.si_status;
}

static pid_t sleeper(void)
{
    pid_t pid = FORK({
        setpgid(0, 0);
        for (;;)
            pause();
    });
    await_state(pid, "S");
    who_pids[0] = pid;
    who_names[0] = "child";
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    once("exit", pid, WEXITED);
    chld();
}

int main(void)
{
    mask(SIG_BLOCK, SIGCHLD);

    out("== an own child, attached\n");
    pid_t pid = sleeper();
    MUST(ptrace(PTRACE_ATTACH, pid, 0, 0));
    once("attach", pid, WSTOPPED);
    chld();
    out(" group stop\n");
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    once("stop", pid, WSTOPPED);
    chld();
    once("again", pid, WSTOPPED | WNOHANG);
    out(" continue\n");
    kill(pid, SIGCONT);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    once("SIGCONT", pid, WSTOPPED);
    chld();
    once("continued", pid, WCONTINUED | WNOHANG);
    end(pid);

    out("== an own child, seized\n");
    pid = sleeper();
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    chld();
    out(" interrupt\n");
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    once("interrupt", pid, WSTOPPED);
    chld();
    out(" group stop\n");
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    kill(pid, SIGSTOP);
    once("SIGSTOP", pid, WSTOPPED);
    chld();
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    once("stop", pid, WSTOPPED);
    chld();
    once("again", pid, WSTOPPED | WNOHANG);
    MUST(ptrace(PTRACE_LISTEN, pid, 0, 0));
    out(" continue\n");
    kill(pid, SIGCONT);
    once("notice", pid, WSTOPPED);
    chld();
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    once("SIGCONT", pid, WSTOPPED);
    once("continued", pid, WCONTINUED | WNOHANG);
    end(pid);

    out("== from outside\n");
    int to[2], from[2];
    char byte;
    MUST(pipe(to));
    MUST(pipe(from));
    pid = sleeper();
    chld();
    pid_t tracer = FORK({
        MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
        write(from[1], "r", 1);
        once("SIGSTOP", pid, WSTOPPED);
        chld();
        MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
        once("stop", pid, WSTOPPED);
        chld();
        MUST(ptrace(PTRACE_LISTEN, pid, 0, 0));
        write(from[1], "r", 1);
        read(to[0], &byte, 1);
        once("notice", pid, WSTOPPED);
        chld();
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
        once("SIGCONT", pid, WSTOPPED);
        chld();
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
        write(from[1], "r", 1);
        read(to[0], &byte, 1);
        once("SIGTERM", pid, WSTOPPED);
        MUST(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
        await_state(pid, "Z");
        chld();
        write(from[1], "r", 1);
        read(to[0], &byte, 1);
        once("exit", pid, WEXITED);
        once("after", pid, WEXITED | WNOHANG);
        write(from[1], "r", 1);
    });
    read(from[0], &byte, 1);
    kill(pid, SIGSTOP);
    read(from[0], &byte, 1);
    out(" parent\n");
    chld();
    once("stop", pid, WSTOPPED);
    kill(pid, SIGCONT);
    write(to[1], "x", 1);
    read(from[0], &byte, 1);
    out(" parent\n");
    chld();
    once("continued", pid, WCONTINUED);
    kill(pid, SIGTERM);
    write(to[1], "x", 1);
    read(from[0], &byte, 1);
    out(" parent\n");
    chld();
    once("exit", pid, WEXITED | WNOHANG);
    write(to[1], "x", 1);
    read(from[0], &byte, 1);
    once("exit", pid, WEXITED);
    chld();
    reap(tracer);
    return 0;
}
