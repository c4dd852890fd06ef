/*
 * kill_permission -- who may signal whom: real or effective id of the sender against real or saved id of the target
 * guest: needs=root
 */
#include "guest.h"

static const char *attempt(uid_t ruid, uid_t euid, pid_t target, int number)
{
    pid_t pid = FORK({
        setresuid(ruid, euid, euid);
        _exit(kill(target, number) ? errno : 0);
    });
    int error = WEXITSTATUS(reap(pid));
    return error ? errno_name(error) : "allowed";
}

static pid_t target(uid_t ruid, uid_t euid, uid_t suid, int session)
{
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    pid_t pid = FORK({
        if (session)
            setsid();
        setresuid(ruid, euid, suid);
        handle(SIGTERM, SIG_IGN, 0);
        write(pipes[1], "r", 1);
        for (;;)
            pause();
    });
    read(pipes[0], &byte, 1);
    close(pipes[0]);
    close(pipes[1]);
    return pid;
}

int main(void)
{
    NEED_ROOT;
    pid_t t = target(1001, 1002, 1003, 0);
    out("target: real 1001, effective 1002, saved 1003\n");
    struct {
        uid_t r, e;
    } senders[] = {{1001, 1001}, {1002, 1002}, {1003, 1003}, {1001, 5000}, {5000, 1001}, {5000, 1003}, {5000, 1002}, {5000, 5000}};
    for (int i = 0; i < 8; i++)
        out("sender real %d effective %d: %s\n", senders[i].r, senders[i].e, attempt(senders[i].r, senders[i].e, t, SIGTERM));
    out("signal 0: %s\n", attempt(5000, 5000, t, 0));
    out("SIGCONT in the same session: %s\n", attempt(5000, 5000, t, SIGCONT));
    kill(t, SIGKILL);
    reap(t);
    t = target(1001, 1001, 1001, 1);
    out("SIGCONT in another session: %s\n", attempt(5000, 5000, t, SIGCONT));
    kill(t, SIGKILL);
    reap(t);
    /* To a group: success when at least one could be signalled. */
    pid_t leader = FORK({
        setpgid(0, 0);
        pid_t a = FORK({
            setresuid(1001, 1001, 1001);
            pause();
        });
        pid_t b = FORK({
            setresuid(1002, 1002, 1002);
            pause();
        });
        sleep_ms(30);
        out("group with members of 1001 and 1002, by 1001: %s\n", attempt(1001, 1001, -getpgrp(), SIGUSR1));
        out("first: %s\n", status_name(reap(a)));
        out("by 5000: %s\n", attempt(5000, 5000, -getpgrp(), 0));
        kill(b, SIGKILL);
        out("second: %s\n", status_name(reap(b)));
    });
    reap(leader);
    return 0;
}
