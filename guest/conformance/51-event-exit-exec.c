/*
 * 51-event-exit-exec -- exec while a sibling is held in PTRACE_EVENT_EXIT: it has not exited, so exec waits in both models
 * guest: libc=musl
 */
#include "scenario.h"

static int sleeper(void)
{
    post(0);
    sleep_for_ever();
}

static int process(void)
{
    shared->value[0] = thread(sleeper);
    await(0);
    post(1);
    await(2);
    MUST(exec_self("hold", 3, 4));
    return 1;
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(1);
    pid_t tid = name_pid(shared->value[0], "T");
    seize(tid, PTRACE_O_TRACEEXIT);
    post(2);
    TRACE_WAIT("sibling", tid);
    say("new-image-runs", "%s", yes(within(QUIET_MS, posted(3))));
    resume(tid, 0);
    TRACE_WAIT("sibling", tid);
    say("new-image-has-run", "%s", yes(within(LIMIT_MS, posted(3))));
    post(4);
    WAIT("process", pid, 0);
}
