/* ptrace.h -- what the ptrace programs share: waiting for one stop and showing it. */
#ifndef GUEST_PTRACE_H
#define GUEST_PTRACE_H
#include <sys/ptrace.h>
#include <sys/user.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

__attribute__((unused)) static const char *event_name(int event)
{
    static const char *names[] = {"", "FORK", "VFORK", "CLONE", "EXEC", "VFORK_DONE", "EXIT", "SECCOMP"};
    return event == PTRACE_EVENT_STOP ? "STOP" : event < 8 ? names[event] : "?";
}

/* "stopped SIGTRAP EVENT_FORK", "stopped SIGTRAP|0x80", or as status_name(). */
__attribute__((unused)) static const char *stop_name(int status)
{
    static char text[64];
    if (!WIFSTOPPED(status))
        return status_name(status);
    int number = WSTOPSIG(status);
    int length = snprintf(text, sizeof text, "stopped %s%s", signal_name(number & 0x7f), number & 0x80 ? "|0x80" : "");
    if (status >> 16)
        snprintf(text + length, sizeof text - length, " EVENT_%s", event_name(status >> 16));
    return text;
}

/* Wait for the next report of a tracee, show and return its status. */
__attribute__((unused)) static int stop(pid_t pid, int flags)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL | flags);
    if (got == -1)
        out("wait: %s\n", errno_name(errno));
    else if (got == 0)
        out("wait: nothing\n");
    else
        out("%s\n", stop_name(status));
    return status;
}

__attribute__((unused)) static void show_siginfo(pid_t pid)
{
    siginfo_t info;
    memset(&info, 0xff, sizeof info);
    if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == -1)
        out("siginfo: %s\n", errno_name(errno));
    else
        out("siginfo: %s code %#x\n", signal_name(info.si_signo), info.si_code);
}

#endif
