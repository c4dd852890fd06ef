/*
 * 59-exec-killed -- SIGKILL while exec waits for a sibling that is held in PTRACE_EVENT_EXIT
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
    MUST(exec_self("post", 3, 6));
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
    say("new-image-runs", "%s", yes(within(50, posted(3))));
    MUST(kill(pid, SIGKILL));
    TRACE_WAIT("sibling", tid);
    WAIT_WITHIN("process", pid, 0, LIMIT_MS);
    say("new-image-has-run", "%s", yes(posted(3)));
}
