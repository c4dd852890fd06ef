/*
 * sigchld -- what SIGCHLD tells about a child, NOCLDSTOP, and coalescing
 */
#include "guest.h"

static volatile int count;
static pid_t child;
static void on_chld(int number, siginfo_t *info, void *context)
{
    const char *codes[] = {"?", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    out("  SIGCHLD %s status %d pid %s uid %s\n", codes[info->si_code >= 1 && info->si_code <= 6 ? info->si_code : 0], info->si_status,
        info->si_pid == child ? "child" : "other", info->si_uid == getuid() ? "own" : "other");
    count++;
}

static void wait_count(int wanted)
{
    for (int i = 0; i < 1000 && count < wanted; i++)
        sleep_ms(2);
    sleep_ms(5);
}

static void lives(int flags)
{
    count = 0;
    handle_info(SIGCHLD, on_chld, flags);
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    child = FORK({
        sigprocmask(SIG_SETMASK, &old, NULL);
        write(pipes[1], "r", 1);
        for (;;)
            pause();
    });
    sigprocmask(SIG_SETMASK, &old, NULL);
    read(pipes[0], &byte, 1);
    close(pipes[0]);
    close(pipes[1]);
    kill(child, SIGSTOP);
    wait_count(1);
    await_state(child, "T");
    kill(child, SIGCONT);
    wait_count(2);
    kill(child, SIGTERM);
    wait_count(3);
    reap(child);
}

int main(void)
{
    handle_info(SIGCHLD, on_chld, 0);
    mask(SIG_BLOCK, SIGCHLD);
    child = FORK(_exit(7));
    mask(SIG_UNBLOCK, SIGCHLD);
    wait_count(1);
    reap(child);
    out("stop, continue, kill:\n");
    lives(0);
    out("with SA_NOCLDSTOP:\n");
    /* wait_count(1) and (2) run into their limit here, so ask for the end only. */
    count = 0;
    handle_info(SIGCHLD, on_chld, SA_NOCLDSTOP);
    child = FORK({
        raise(SIGSTOP);
        _exit(1);
    });
    await_state(child, "T");
    kill(child, SIGCONT);
    wait_count(1);
    reap(child);

    out("five children end while it is blocked: ");
    mask(SIG_BLOCK, SIGCHLD);
    count = 0;
    handle_info(SIGCHLD, on_chld, 0);
    child = 0;
    pid_t pids[5];
    for (int i = 0; i < 5; i++)
        await_state(pids[i] = FORK(_exit(0)), "Z");
    sigset_t pending;
    sigpending(&pending);
    out("pending %d\n", sigismember(&pending, SIGCHLD));
    child = pids[0]; /* the first one's SIGCHLD is the one that is kept */
    mask(SIG_UNBLOCK, SIGCHLD);
    out("handler ran %d time(s)\n", count);
    while (wait(NULL) > 0)
        ;
    return 0;
}
