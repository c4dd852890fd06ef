/*
 * 20-wstopped-merge -- the group stop of a single-threaded child that its own parent traces
 * guest: libc=musl
 *
 * With PTRACE_TRACEME the trap and the stop of the process have the same code, and one report stands for both: CLD_STOPPED by
 * patch 18, CLD_TRAPPED in mainline.  With PTRACE_SEIZE the codes differ, so patch 18 makes two reports.
 */
#include "scenario.h"

static int child(void)
{
    if (!shared->value[0])
        MUST(trace(PTRACE_TRACEME, 0, 0, 0));
    post(0);
    sleep_for_ever();
}

static void round_of(const char *name, int seized)
{
    say("round", "%s", name);
    shared->value[0] = seized;
    shared->flag[0] = 0;
    pid_t pid = spawn("C", child);
    await(0);
    if (seized)
        seize(pid, 0);
    MUST(kill(pid, SIGSTOP));
    WAITID_WITHIN("delivery", P_PID, pid, WSTOPPED, LIMIT_MS);
    resume(pid, SIGSTOP);
    WAITID_WITHIN("first", P_PID, pid, WSTOPPED, LIMIT_MS);
    WAITID("second", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("third", P_PID, pid, WSTOPPED | WNOHANG);
    MUST(kill(pid, SIGKILL));
    WAIT("end", pid, 0);
}

static void scenario(void)
{
    round_of("traceme", 0);
    round_of("seize", 1);
}
