/*
 * 56-tgid-reserved -- the number of a process stays taken while any of its threads lives, though the first one is gone
 * guest: needs=root libc=musl
 */
#include "scenario.h"

static int other(void)
{
    await(1);
    return 0;
}

static int process(void)
{
    thread(other);
    thread_exit(3);
}

static int next_is(const char *last)
{
    int fd = MUST(open("/proc/sys/kernel/ns_last_pid", O_WRONLY));
    MUST(write(fd, last, strlen(last)));
    close(fd);
    pid_t pid = FORK(_exit(0));
    reap(pid);
    return pid;
}

static int init(void)
{
    pid_t pid = spawn("P", process);
    say("process", "%d", pid);
    post(2);
    await(3);
    say("next-while-thread-lives", "%d", next_is("1"));
    post(1);
    reap(pid);
    say("next-after", "%d", next_is("1"));
    return 0;
}

static void scenario(void)
{
    pid_t pid = spawn_init("I", init);
    await(2);
    pid_t process = child_of(pid);
    await_exited(process, process);
    post(3);
    WAIT("init", pid, 0);
}
