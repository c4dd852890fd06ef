/*
 * 95-nocldstop -- SA_NOCLDSTOP: no SIGCHLD for stops and continuations, but wait sees them; exits still signal
 * guest: libc=musl
 */
#include "scenario.h"

static int child(void)
{
    post(0);
    sleep_for_ever();
}

static void scenario(void)
{
    handle_info(SIGCHLD, on_sigchld, SA_NOCLDSTOP);
    pid_t pid = spawn("C", child);
    await(0);
    MUST(kill(pid, SIGSTOP));
    WAIT("stopped", pid, WUNTRACED);
    MUST(kill(pid, SIGCONT));
    WAIT("continued", pid, WCONTINUED);
    say_sigchlds("sigchld", 0);
    MUST(kill(pid, SIGTERM));
    WAITID("end", P_PID, pid, WEXITED);
    say_sigchlds("sigchld", 1);
}
