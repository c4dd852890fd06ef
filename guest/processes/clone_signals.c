/*
 * clone_signals -- children whose exit signal is not SIGCHLD: who is told, and which wait flags see them
 *
 * wait(2): __WCLONE waits for "clone" children only, __WALL for both kinds.
 */
#include "guest.h"
#include "rawclone.h"

static volatile int usr1, chld;
static volatile int code, status_seen;

static void on_usr1(int number, siginfo_t *info, void *context)
{
    usr1++;
    code = info->si_code;
    status_seen = info->si_status;
}
static void on_chld(int number) { chld++; }

static pid_t start(unsigned long flags)
{
    pid_t pid = MUST(raw_fork(flags, NULL, NULL));
    if (pid == 0)
        _exit(5);
    return pid;
}

int main(void)
{
    handle_info(SIGUSR1, on_usr1, 0);
    handle(SIGCHLD, on_chld, 0);

    pid_t pid = start(SIGUSR1);
    await_state(pid, "Z");
    out("exit signal SIGUSR1: usr1 %d chld %d code %s status %d\n", usr1, chld, code == CLD_EXITED ? "CLD_EXITED" : "other",
        status_seen);
    TRY(waitpid(pid, NULL, 0));
    TRY(waitpid(-1, NULL, WNOHANG));
    TRY_OK(waitpid(pid, NULL, __WCLONE));

    pid = start(0);
    await_state(pid, "Z");
    out("no exit signal: usr1 %d chld %d\n", usr1, chld);
    TRY(waitpid(pid, NULL, WNOHANG));
    TRY_OK(waitpid(pid, NULL, __WALL));

    pid = start(SIGCHLD);
    await_state(pid, "Z");
    out("SIGCHLD: usr1 %d chld %d\n", usr1, chld);
    TRY(waitpid(pid, NULL, __WCLONE));
    TRY_OK(waitpid(pid, NULL, 0));

    /* A child with another signal is not reaped automatically when SIGCHLD is ignored. */
    handle(SIGCHLD, SIG_IGN, 0);
    pid = start(SIGUSR1);
    await_state(pid, "Z");
    TRY_OK(waitpid(pid, NULL, __WALL));
    /* In a child, the signals it was itself made with do not matter. */
    handle(SIGCHLD, SIG_DFL, 0);
    pid = MUST(raw_fork(SIGUSR1, NULL, NULL));
    if (pid == 0) {
        pid_t grandchild = start(SIGCHLD);
        int status;
        _exit(waitpid(grandchild, &status, 0) == grandchild && WEXITSTATUS(status) == 5 ? 0 : 1);
    }
    out("grandchild: %s\n", status_name(reap(pid)));
    return 0;
}
