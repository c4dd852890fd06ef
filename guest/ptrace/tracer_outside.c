/*
 * tracer_outside -- a tracer above the pid namespace of its tracee: whose numbers it is told
 * guest: needs=root
 */
#include "guest.h"
#include "ptrace.h"

int main(void)
{
    NEED_ROOT;
    if (syscall(SYS_unshare, 0x20000000) == -1) {
        out("skipped: no pid namespace: %s\n", errno_name(errno));
        return 0;
    }
    pid_t pid = FORK({
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        pid_t child = syscall(SYS_fork);
        if (child == 0)
            _exit(3);
        waitpid(child, NULL, 0);
        _exit(child);
    });
    stop(pid, 0);
    MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    unsigned long message;
    siginfo_t info;
    MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
    MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    out("the event's si_pid is the tracee's own number: %d\n", info.si_pid);
    out("the message is the tracer's number: %s\n", kill(message, 0) == 0 && (pid_t)message != 2 ? "yes" : "no");
    stop(message, 0);
    MUST(ptrace(PTRACE_CONT, message, 0, 0));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(message, 0);
    stop(pid, 0);
    MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    out("SIGCHLD's si_pid is the namespace's number: %d\n", info.si_pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
    stop(pid, 0);
    return 0;
}
