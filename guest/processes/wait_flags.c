/*
 * wait_flags -- wait4 and waitid: whom they wait for, which events they report, what they leave
 */
#include "guest.h"

static void show(siginfo_t *info, pid_t pid)
{
    const char *code = info->si_code == CLD_EXITED      ? "CLD_EXITED"
                       : info->si_code == CLD_KILLED    ? "CLD_KILLED"
                       : info->si_code == CLD_DUMPED    ? "CLD_DUMPED"
                       : info->si_code == CLD_STOPPED   ? "CLD_STOPPED"
                       : info->si_code == CLD_CONTINUED ? "CLD_CONTINUED"
                       : info->si_code == 0             ? "0"
                                                        : "other";
    out("    signo %d code %s status %d pid %s uid %s\n", info->si_signo, code, info->si_status,
        info->si_pid == pid ? "right" : info->si_pid ? "WRONG" : "0", info->si_uid == getuid() ? "right" : "WRONG");
}

#define WAITID(type, id, flags)                    \
    do {                                           \
        siginfo_t info;                            \
        memset(&info, 0x55, sizeof info);          \
        if (TRY(waitid(type, id, &info, flags)) == 0) \
            show(&info, pid);                      \
    } while (0)

int main(void)
{
    int status;
    TRY(wait(NULL));
    TRY(waitpid(-1, NULL, WNOHANG));
    TRY(waitpid(getpid(), NULL, 0));
    TRY(waitpid(1, NULL, 0));
    TRY(waitpid(INT_MIN, NULL, 0));
    TRY(waitpid(-1, NULL, 0x100));
    TRY(waitpid(-1, NULL, WEXITED));
    TRY(waitid(P_ALL, 0, NULL, 0));
    TRY(waitid(P_ALL, 0, NULL, WNOHANG));
    TRY(waitid(P_ALL, 0, NULL, WEXITED));
    TRY(waitid(P_ALL, 0, NULL, WEXITED | 0x100));
    TRY(waitid(P_PID, 0, NULL, WEXITED));
    TRY(waitid((idtype_t)9, 1, NULL, WEXITED));
    TRY(waitid((idtype_t)3, 0, NULL, WEXITED));
    TRY(waitid((idtype_t)3, 999, NULL, WEXITED));

    pid_t pid = FORK(for (;;) pause());
    WAITID(P_PID, pid, WEXITED | WNOHANG);
    TRY(waitpid(pid, &status, WNOHANG));
    TRY(kill(pid, SIGSTOP));
    await_state(pid, "T");
    TRY(waitpid(pid, &status, WNOHANG));
    WAITID(P_PID, pid, WEXITED | WNOHANG);
    WAITID(P_PID, pid, WSTOPPED | WNOWAIT);
    WAITID(P_ALL, 0, WSTOPPED | WNOWAIT | WNOHANG);
    TRY_OK(waitpid(pid, &status, WUNTRACED));
    out("    %s\n", status_name(status));
    TRY(waitpid(pid, &status, WUNTRACED | WNOHANG));
    TRY(kill(pid, SIGCONT));
    WAITID(P_PID, pid, WCONTINUED | WNOWAIT);
    TRY(waitpid(pid, &status, WUNTRACED | WNOHANG));
    TRY_OK(waitpid(pid, &status, WCONTINUED));
    out("    %s\n", status_name(status));
    TRY(waitpid(pid, &status, WCONTINUED | WNOHANG));
    kill(pid, SIGSTOP);
    await_state(pid, "T");
    kill(pid, SIGCONT);
    kill(pid, SIGTERM);
    await_state(pid, "Z");
    WAITID(P_PID, pid, WCONTINUED | WSTOPPED | WNOHANG);
    WAITID(P_PID, pid, WEXITED | WNOWAIT);
    WAITID(P_PGID, getpgrp(), WEXITED | WNOWAIT);
    WAITID(P_PGID, 0, WEXITED | WNOWAIT);
    WAITID(P_ALL, 0, WEXITED);
    WAITID(P_PID, pid, WEXITED);

    pid = FORK(_exit(300));
    WAITID(P_PID, pid, WEXITED);
    /* Process groups. */
    pid = FORK(_exit(1));
    await_state(pid, "Z");
    TRY_OK(waitpid(0, &status, 0));
    pid_t other = FORK({
        setpgid(0, 0);
        pause();
    });
    setpgid(other, other);
    TRY(waitpid(0, &status, WNOHANG));
    TRY(waitpid(-other, &status, WNOHANG));
    kill(-other, SIGKILL);
    TRY_OK(waitpid(-other, &status, 0));
    out("    %s\n", status_name(status));
    TRY(waitpid(-other, &status, 0));
    /* The order in which zombies are found is the order of creation. */
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = FORK(_exit(i));
    for (int i = 0; i < 4; i++)
        await_state(pids[i], "Z");
    for (int i = 0; i < 4; i++) {
        pid_t got = wait(&status);
        out("    wait number %d: %s%s\n", i, status_name(status), got == pids[i] ? "" : " WRONG pid");
    }
    struct rusage usage;
    memset(&usage, 0x55, sizeof usage);
    pid = FORK({
        volatile unsigned long x = 0;
        for (int i = 0; i < 20000000; i++)
            x += i;
    });
    TRY_OK(wait4(pid, &status, 0, &usage));
    expect(usage.ru_utime.tv_sec < 100 && usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0, "rusage has user time");
    return 0;
}
