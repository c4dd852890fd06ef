/*
 * fork_inherits -- what a child of fork gets and what it does not
 *
 * Inherited: memory (copied), descriptors with shared offsets, handlers, mask, cwd, umask, limits, nice value, session.
 * Not inherited: pending signals, timers, locks of fcntl, children, CPU times.
 */
#include "guest.h"

static int value = 1;
static void on_usr1(int number) { value = 100; }

int main(void)
{
    char byte[2] = "";
    int fd = memfd_create("offset", 0);
    MUST(write(fd, "abcdef", 6));
    lseek(fd, 0, SEEK_SET);
    handle(SIGUSR1, on_usr1, 0);
    mask(SIG_BLOCK, SIGUSR2);
    raise(SIGUSR2);
    umask(031);
    alarm(100);
    struct itimerval timer = {{0, 0}, {50, 0}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    MUST(fcntl(fd, F_SETLK, &lock));
    pid_t parent = getpid(), other = FORK(pause());
    pid_t child = FORK({
        expect(getppid() == parent, "parent pid");
        expect(getpgrp() == getpgid(parent) && getsid(0) == getsid(parent), "process group and session");
        sigset_t set;
        sigpending(&set);
        out("pending SIGUSR2 in the child: %d\n", sigismember(&set, SIGUSR2));
        sigprocmask(SIG_BLOCK, NULL, &set);
        out("blocked SIGUSR2 in the child: %d\n", sigismember(&set, SIGUSR2));
        out("alarm left in the child: %u\n", alarm(0));
        getitimer(ITIMER_VIRTUAL, &timer);
        out("virtual timer in the child: %ld\n", (long)timer.it_value.tv_sec);
        lock.l_type = F_WRLCK;
        fcntl(fd, F_GETLK, &lock);
        out("lock seen by the child: %s\n", lock.l_type == F_WRLCK && lock.l_pid == parent ? "the parent's" : "none");
        out("umask %#o\n", umask(0));
        raise(SIGUSR1);
        out("handler ran: value %d\n", value);
        read(fd, byte, 1);
        out("child reads %s\n", byte);
        TRY(wait(NULL));
        expect(other > 0 && waitpid(other, NULL, 0) == -1 && errno == ECHILD, "a sibling is not a child");
        struct rusage usage;
        getrusage(RUSAGE_CHILDREN, &usage);
        expect(usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec == 0, "no CPU time of children yet");
    });
    out("child: %s\n", status_name(reap(child)));
    read(fd, byte, 1);
    out("parent reads %s (the offset is shared), value %d\n", byte, value);
    kill(other, SIGTERM);
    out("the other: %s\n", status_name(reap(other)));
    return wrong;
}
