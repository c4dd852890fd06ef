/*
 * 81-exit-group-200 -- one of two hundred threads calls exit_group while another one and the first call exit: one report
 * guest: libc=musl
 */
#include "scenario.h"

#define THREADS 200

static int sleeper(void)
{
    post(2);
    sleep_for_ever();
}

static int leaver(void)
{
    post(2);
    await(0);
    return 4;
}

static int ender(void)
{
    post(2);
    await(0);
    syscall(SYS_exit_group, 9);
    return 1;
}

static int process(void)
{
    thread(leaver);
    thread(ender);
    for (int i = 2; i < THREADS; i++)
        thread(sleeper);
    await_count(2, THREADS);
    post(3);
    await(0);
    thread_exit(3);
}

static void scenario(void)
{
    watch_sigchld();
    pid_t pid = spawn("P", process);
    await(3);
    post(0);
    WAIT("process", pid, 0);
    say_sigchlds("sigchld", 1);
    WAIT("then", -1, WNOHANG);
}
