/*
 * queue_info -- who sent it: siginfo of kill, tgkill, sigqueue and raw rt_sigqueueinfo; forging is refused
 */
#include "guest.h"

static pid_t me;

static void on_signal(int number, siginfo_t *info, void *context)
{
    out("  code %d pid %s uid %s value %d errno %d\n", info->si_code, info->si_pid == me ? "own" : info->si_pid == getppid() ? "parent" : "other",
        info->si_uid == getuid() ? "own" : "other", info->si_code == SI_QUEUE || info->si_code < -10 ? info->si_value.sival_int : 0,
        info->si_errno);
}

int main(void)
{
    me = getpid();
    handle_info(SIGUSR1, on_signal, 0);
    TRY(kill(me, SIGUSR1));
    TRY(raise(SIGUSR1));
    TRY(sigqueue(me, SIGUSR1, (union sigval){.sival_int = 77}));
    siginfo_t info = {0};
    info.si_signo = SIGUSR2; /* the kernel sets it from the argument */
    info.si_code = -60;
    info.si_errno = 9;
    info.si_value.sival_int = 88;
    TRY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, &info));
    info.si_code = SI_USER;
    TRY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, &info));
    info.si_code = SI_TKILL;
    TRY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, &info));
    pid_t child = FORK({
        pid_t parent = getppid();
        out("child:\n");
        info.si_code = SI_USER;
        TRY(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &info));
        info.si_code = SI_TKILL;
        TRY(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &info));
        info.si_code = SI_KERNEL;
        TRY(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &info));
    });
    reap(child);
    info.si_code = -1;
    TRY(syscall(SYS_rt_tgsigqueueinfo, me, me, SIGUSR1, &info));
    TRY(syscall(SYS_rt_tgsigqueueinfo, me, 999999, SIGUSR1, &info));
    TRY(sigqueue(999999, SIGUSR1, (union sigval){0}));
    TRY(sigqueue(me, 0, (union sigval){0}));
    TRY(sigqueue(me, 65, (union sigval){0}));
    TRY(syscall(SYS_tkill, me, 0));
    TRY(syscall(SYS_tkill, 0, SIGUSR1));
    TRY(syscall(SYS_tgkill, 0, me, SIGUSR1));
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    child = FORK({
        out("from the parent:\n");
        me = getpid();
        mask(SIG_BLOCK, SIGUSR1);
        write(pipes[1], "r", 1);
        sigset_t none;
        sigemptyset(&none);
        sigsuspend(&none);
    });
    read(pipes[0], &byte, 1);
    sigqueue(child, SIGUSR1, (union sigval){.sival_int = 3});
    out("%s\n", status_name(reap(child)));
    return 0;
}
