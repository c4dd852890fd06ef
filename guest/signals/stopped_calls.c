/*
 * stopped_calls -- SIGSTOP and SIGCONT without a handler are invisible to most blocked calls; some return EINTR on Linux
 *
 * signal(7), "Interruption of system calls and library functions by stop signals".
 */
#include "guest.h"

/* musl's wrapper hides EINTR. */
#define sigtimedwait(set, info, timeout) syscall(SYS_rt_sigtimedwait, set, info, timeout, 8L)
#include <linux/futex.h>
#include <sys/epoll.h>

static int in[2], *word;

static long call_read(void)
{
    char byte;
    return read(in[0], &byte, 1);
}
static long call_nanosleep(void)
{
    struct timespec t = {0, 150000000};
    return syscall(SYS_nanosleep, &t, NULL);
}
static long call_futex(void) { return syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0); }
static long call_poll(void)
{
    struct pollfd p = {in[0], POLLIN, 0};
    return poll(&p, 1, 5000);
}
static long call_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    int fd = epoll_create1(0);
    epoll_ctl(fd, EPOLL_CTL_ADD, in[0], &e);
    return epoll_wait(fd, &e, 1, 5000);
}
static long call_sigtimedwait(void)
{
    sigset_t set;
    struct timespec t = {5, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigtimedwait(&set, NULL, &t);
}
static long call_pause(void) { return pause(); }

static const struct {
    const char *name;
    long (*call)(void);
} subjects[] = {{"read", call_read}, {"nanosleep", call_nanosleep}, {"futex", call_futex},
                {"poll", call_poll}, {"epoll_wait", call_epoll}, {"sigtimedwait", call_sigtimedwait}, {"pause", call_pause}};

int main(void)
{
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 7; i++) {
        MUST(pipe(in));
        *word = 0;
        pid_t subject = FORK({
            errno = 0;
            long result = subjects[i].call();
            out("%s: %s\n", subjects[i].name, result >= 0 ? "completed" : errno_name(errno));
        });
        sleep_ms(20);
        await_state(subject, "S");
        int status;
        kill(subject, SIGSTOP);
        waitpid(subject, &status, WUNTRACED);
        kill(subject, SIGCONT);
        siginfo_t info;
        waitid(P_PID, subject, &info, WCONTINUED); /* not its end, should the call have returned already */
        sleep_ms(20);
        write(in[1], "x", 1);
        *word = 1;
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
        if (subjects[i].call == call_sigtimedwait)
            kill(subject, SIGUSR2);
        if (subjects[i].call == call_pause) {
            sleep_ms(20);
            out("pause: still in state %c\n", task_state(subject));
            kill(subject, SIGKILL);
        }
        out("  %s\n", status_name(reap(subject)));
        close(in[0]);
        close(in[1]);
    }
    return 0;
}
