/*
 * seccomp_restart -- calls that signals interrupt under a filter: what is made again is judged again, restart_syscall by its own number
 */
#include "guest.h"
#include "seccomp.h"

static volatile int count;

static void handler(int number)
{
    (void)number;
    count++;
}

/* A process that sleeps under a filter and is stopped and continued, or signalled, meanwhile. */
static void disturbed(const char *what, int denied, unsigned answer, int sa_flags, int by_stop)
{
    pid_t pid = FORK({
        struct timespec left = {0, 60000000};
        struct timespec rest = {9, 9};
        no_new_privs();
        if (sa_flags >= 0)
            handle(SIGUSR1, handler, sa_flags);
        MUST(install(0, denied, answer));
        long result = call(SYS_nanosleep, (long)&left, (long)&rest, 0);
        call(SYS_exit_group, result ? -result : count ? 100 : 0, 0, 0);
    });
    await_state(pid, "S");
    kill(pid, by_stop ? SIGSTOP : SIGUSR1);
    if (by_stop) {
        await_state(pid, "T");
        kill(pid, SIGCONT);
    }
    out("%s: %s\n", what, status_name(reap(pid)));
}

/* A read that is restarted while a filter appears that denies it: the filter is for all threads. */
static int ends[2];

static void *reader(void *unused)
{
    char byte;
    (void)unused;
    long result = call(SYS_read, ends[0], (long)&byte, 1);
    out("the read gives %ld\n", result);
    return NULL;
}

static void restarted(const char *what, unsigned flags)
{
    pid_t pid = FORK({
        pthread_t thread;
        MUST(pipe(ends));
        handle(SIGUSR1, handler, SA_RESTART);
        pthread_create(&thread, NULL, reader, NULL);
        sleep_ms(20);
        no_new_privs();
        MUST(install(flags, SYS_read, SECCOMP_RET_ERRNO | 77));
        pthread_kill(thread, SIGUSR1);
        sleep_ms(20);
        MUST(write(ends[1], "x", 1));
        pthread_join(thread, NULL);
    });
    out("%s: %s\n", what, status_name(reap(pid)));
}

int main(void)
{
    disturbed("stopped, restart_syscall allowed", SYS_getsid, SECCOMP_RET_ALLOW, -1, 1);
    disturbed("stopped, restart_syscall denied", SYS_restart_syscall, SECCOMP_RET_ERRNO | 55, -1, 1);
    disturbed("stopped, restart_syscall kills", SYS_restart_syscall, SECCOMP_RET_KILL_PROCESS, -1, 1);
    disturbed("stopped, restart_syscall traps", SYS_restart_syscall, SECCOMP_RET_TRAP, -1, 1);
    disturbed("handler", SYS_restart_syscall, SECCOMP_RET_ERRNO | 55, 0, 0);
    disturbed("handler, SA_RESTART", SYS_restart_syscall, SECCOMP_RET_ERRNO | 55, SA_RESTART, 0);
    disturbed("handler without rt_sigreturn", SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS, 0, 0);
    restarted("filter of one thread", 0);
    restarted("filter of all threads", SECCOMP_FILTER_FLAG_TSYNC);
    return 0;
}
