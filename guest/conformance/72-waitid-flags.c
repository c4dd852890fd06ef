/*
 * 72-waitid-flags -- waitid with every mix of WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT on a child in each of its states
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    for (;;)
        if (posted(1))
            return 7;
        else
            sleep_ms(2);
}

static void all_mixes(const char *state, pid_t pid)
{
    for (int mix = 0; mix < 8; mix++) {
        int flags = (mix & 1 ? WEXITED : 0) | (mix & 2 ? WSTOPPED : 0) | (mix & 4 ? WCONTINUED : 0);
        char key[64];
        snprintf(key, sizeof key, "%s%s%s%s", state, mix & 1 ? "-exited" : "", mix & 2 ? "-stopped" : "",
                 mix & 4 ? "-continued" : "");
        WAITID(key, P_PID, pid, flags | WNOHANG | WNOWAIT);
    }
}

static void scenario(void)
{
    pid_t pid = spawn("C", child);
    await(0);
    all_mixes("running", pid);
    MUST(kill(pid, SIGSTOP));
    await_process(pid, "T");
    all_mixes("stopped", pid);
    WAITID("take-stopped", P_PID, pid, WSTOPPED);
    all_mixes("stop-taken", pid);
    MUST(kill(pid, SIGCONT));
    WAITID_WITHIN("peek-continued", P_PID, pid, WCONTINUED | WNOWAIT, LIMIT_MS);
    all_mixes("continued", pid);
    WAITID("take-continued", P_PID, pid, WCONTINUED);
    all_mixes("continue-taken", pid);
    post(1);
    await_process(pid, "Z");
    all_mixes("exited", pid);
    WAITID("take-exited", P_PID, pid, WEXITED);
    all_mixes("gone", pid);
}
