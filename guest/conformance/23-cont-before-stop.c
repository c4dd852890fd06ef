/*
 * 23-cont-before-stop -- SIGCONT while a group stop is not complete, because one thread is in vfork
 * guest: libc=musl
 *
 * Mainline resumes the threads that have stopped and pretends a stop with status 0.  Patch 23 lets the stop complete, reports it
 * with its signal, and continues then.
 */
#include "scenario.h"

static int other(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        post(0);
        await(1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    sleep_for_ever();
}

static int process(void)
{
    thread(other);
    for (;;) {
        shared->value[0]++;
        sleep_ms(3);
    }
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    watch_sigchld();
    must_come(shared->value[0] > 0);
    MUST(kill(pid, SIGSTOP));
    await_thread(pid, pid, "T");
    WAITID("stopped", P_PID, pid, WSTOPPED | WNOHANG);
    long ticks = shared->value[0];
    MUST(kill(pid, SIGCONT));
    say("first-thread-runs", "%s", yes(within(QUIET_MS, shared->value[0] > ticks)));
    WAITID("continued", P_PID, pid, WCONTINUED | WNOHANG);
    say_sigchlds("sigchld", 0);
    post(1);
    say("first-thread-runs-after-vfork", "%s", yes(within(LIMIT_MS, shared->value[0] > ticks)));
    sleep_ms(50);
    WAITID("stopped-after-vfork", P_PID, pid, WSTOPPED | WNOHANG);
    WAITID("continued-after-vfork", P_PID, pid, WCONTINUED | WNOHANG);
    say_sigchlds("sigchld-after-vfork", 0);
}
