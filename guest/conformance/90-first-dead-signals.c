/*
 * 90-first-dead-signals -- signals to a process whose first thread is gone are handled by a thread that lives
 * guest: libc=musl
 */
#include "scenario.h"

static pid_t handled_by;

static void on_signal(int number)
{
    handled_by = gettid_raw();
    post(number == SIGUSR1 ? 1 : 2);
}

static int other(void)
{
    name_pid(gettid_raw(), "T");
    await_exited(getpid(), getpid());
    post(0);
    await(1);
    say("usr1-handled-by", "%s", who(handled_by));
    MUST(kill(getpid(), SIGUSR2));
    await(2);
    say("usr2-handled-by", "%s", who(handled_by));
    post(3);
    sleep_for_ever();
}

static int process(void)
{
    handle(SIGUSR1, on_signal, 0);
    handle(SIGUSR2, on_signal, 0);
    thread(other);
    thread_exit(3);
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    MUST(kill(pid, SIGUSR1));
    await(3);
    MUST(kill(pid, SIGQUIT));
    int status = reap(pid);
    say("end", "%s by %s", WIFSIGNALED(status) ? "killed" : "not killed", signal_name(WTERMSIG(status)));
}
