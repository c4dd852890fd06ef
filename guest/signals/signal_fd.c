/*
 * signal_fd -- signals read from a descriptor, with poll, O_NONBLOCK, several at once, and whose queue it is
 */
#include "guest.h"
#include <sys/signalfd.h>

static void show(int fd)
{
    struct signalfd_siginfo infos[4];
    ssize_t length = read(fd, infos, sizeof infos);
    if (length < 0) {
        out("  read: %s\n", errno_name(errno));
        return;
    }
    for (int i = 0; i < (int)(length / sizeof *infos); i++)
        out("  %s code %d pid %s int %d status %d\n", infos[i].ssi_signo >= 32 ? "RT" : signal_name(infos[i].ssi_signo), infos[i].ssi_code,
            infos[i].ssi_pid == (unsigned)getpid() ? "own" : "other", infos[i].ssi_code == SI_QUEUE ? infos[i].ssi_int : 0,
            infos[i].ssi_signo == SIGCHLD ? infos[i].ssi_status : 0);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    struct pollfd wait_for = {fd, POLLIN, 0};
    TRY(poll(&wait_for, 1, 0));
    show(fd);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 2});
    TRY(poll(&wait_for, 1, 0));
    out("three at once:\n");
    show(fd);
    pid_t child = FORK({
        raise(SIGUSR1);
        out("in the child the descriptor shows the child's signals:\n");
        show(fd);
        _exit(6);
    });
    fcntl(fd, F_SETFL, 0);
    out("blocking read gets SIGCHLD:\n");
    show(fd);
    reap(child);
    char little[10];
    TRY(read(fd, little, sizeof little));
    TRY(write(fd, little, sizeof little));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    TRY(signalfd(fd, &set, 0) == fd);
    raise(SIGUSR1);
    raise(SIGUSR2);
    out("after changing the set:\n");
    show(fd);
    TRY(signalfd(0, &set, 0));
    TRY(signalfd(99, &set, 0));
    TRY(signalfd(-1, &set, 0x77));
    TRY(syscall(SYS_signalfd4, -1, &set, 4L, 0));
    return 0;
}
