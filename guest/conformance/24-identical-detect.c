/*
 * 24-identical-detect -- a parent traces both threads of its own child; the thread that stops last is not the first one
 * guest: libc=musl
 *
 * Patch 24: the tracer learns of the trap of that thread, and the parent, though it is the same process, of the stop of the whole
 * under its own number.  Mainline reports the stop of the process under the number of the thread only.  (The last two SIGCHLDs
 * come at once and merge, as signals do; that the parent was told shows in its waitid, asleep for that process, being woken.)
 */
#include "scenario.h"

static pid_t pid;

static int other(void)
{
    pid_t made = vfork();
    if (made == 0) {
        post(0);
        await(1);
        _exit(0);
    }
    waitpid(made, NULL, 0);
    sleep_for_ever();
}

static int process(void)
{
    shared->value[0] = thread(other);
    await(0);
    post(2);
    sleep_for_ever();
}

static int waiter(void)
{
    siginfo_t info = {0};
    post(3);
    shared->value[1] = waitid(P_PID, pid, &info, WSTOPPED) == -1 ? -errno : info.si_code;
    post(4);
    sleep_for_ever();
}

static void scenario(void)
{
    pid = spawn("P", process);
    await(2);
    pid_t tid = name_pid(shared->value[0], "T");
    watch_sigchld();
    seize(pid, 0);
    seize(tid, 0);
    MUST(kill(pid, SIGSTOP));
    within(LIMIT_MS, sigchld_count >= 1);
    TRACE_WAIT("delivery", pid);
    resume(pid, SIGSTOP);
    within(LIMIT_MS, sigchld_count >= 2);
    TRACE_WAIT("first-thread", pid);
    say_sigchlds("sigchld", 2);
    mask(SIG_BLOCK, SIGCHLD);
    pid_t helper = thread(waiter);
    mask(SIG_UNBLOCK, SIGCHLD);
    await(3);
    await_thread(getpid(), helper, "S");
    sleep_ms(20);
    post(1);
    say_sigchlds("sigchld-other", 1);
    say("waiter-woken", "%s", yes(within(QUIET_MS, posted(4))));
    if (posted(4))
        say("waiter", "%s", shared->value[1] < 0 ? errno_name(-shared->value[1]) : code_name(shared->value[1]));
    TRACE_WAIT("other", tid);
    WAITID("process", P_PID, pid, WSTOPPED | WNOHANG);
}
