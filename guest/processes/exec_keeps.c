/*
 * exec_keeps -- what survives execve and what does not (execve(2), "Effect on process attributes")
 */
#include "guest.h"
#include <sys/prctl.h>

static void handler(int number) {}

int main(int argc, char **argv)
{
    if (argc > 1) {
        struct sigaction action;
        sigset_t set;
        char name[17] = "", directory[PATH_MAX];
        stack_t stack;
        struct itimerval timer;
        expect(getpid() == atoi(argv[1]), "pid");
        sigaction(SIGUSR1, NULL, &action);
        out("handled signal: %s\n", action.sa_handler == SIG_DFL ? "default" : "other");
        sigaction(SIGUSR2, NULL, &action);
        out("ignored signal: %s\n", action.sa_handler == SIG_IGN ? "still ignored" : "other");
        sigprocmask(SIG_BLOCK, NULL, &set);
        out("mask: SIGHUP %d SIGTERM %d\n", sigismember(&set, SIGHUP), sigismember(&set, SIGTERM));
        sigpending(&set);
        out("pending: SIGHUP %d\n", sigismember(&set, SIGHUP));
        sigaltstack(NULL, &stack);
        out("alternate stack: %s\n", stack.ss_flags == SS_DISABLE ? "disabled" : "kept");
        expect(alarm(0) > 50, "alarm is kept");
        getitimer(ITIMER_VIRTUAL, &timer);
        expect(timer.it_value.tv_sec > 50, "interval timers are kept");
        timer_t id = (timer_t)(long)atoi(argv[2]);
        struct itimerspec spec;
        out("POSIX timer: %s\n", syscall(SYS_timer_gettime, id, &spec) ? errno_name(errno) : "kept");
        out("cwd %s umask %#o\n", getcwd(directory, sizeof directory), umask(0));
        prctl(PR_GET_NAME, name);
        out("name %s dumpable %d pdeathsig", name, prctl(PR_GET_DUMPABLE));
        int value = -1;
        prctl(PR_GET_PDEATHSIG, &value);
        out(" %d", value);
        prctl(PR_GET_CHILD_SUBREAPER, &value);
        out(" subreaper %d keepcaps %d nnp %d\n", value, prctl(PR_GET_KEEPCAPS), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        for (int fd = 3; fd < 8; fd++)
            out("fd %d: %s\n", fd, fcntl(fd, F_GETFD) == -1 ? errno_name(errno) : "open");
        char byte = 0;
        lseek(3, 0, SEEK_CUR) == 2 ? read(3, &byte, 1) : 0;
        out("offset kept, next byte %c\n", byte);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        pid_t child = FORK({
            fcntl(3, F_GETLK, &lock);
            _exit(lock.l_type == F_WRLCK);
        });
        out("record lock still held: %s\n", status_name(reap(child)));
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        out("RLIMIT_NOFILE %lu nice %d\n", (unsigned long)limit.rlim_cur, getpriority(PRIO_PROCESS, 0));
        out("child reaped after exec: %s\n", status_name(({
                int status;
                wait(&status);
                status;
            })));
        return wrong;
    }
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    handle(SIGUSR1, handler, 0);
    handle(SIGUSR2, SIG_IGN, 0);
    mask(SIG_BLOCK, SIGHUP);
    raise(SIGHUP);
    alarm(100);
    struct itimerval timer = {{0, 0}, {100, 0}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int id;
    MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    chdir("/");
    umask(035);
    prctl(PR_SET_NAME, "before");
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_KEEPCAPS, 1);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    int file = memfd_create("kept", 0); /* 3 */
    write(file, "abcd", 4);
    lseek(file, 2, SEEK_SET);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    MUST(fcntl(file, F_SETLK, &lock));
    open("/dev/null", O_RDONLY | O_CLOEXEC); /* 4 */
    dup(4);                                  /* 5: the flag is the descriptor's, not the file's */
    fcntl(5, F_DUPFD_CLOEXEC, 6);
    struct rlimit limit = {64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    setpriority(PRIO_PROCESS, 0, 3);
    FORK(_exit(33));
    char pid[16], number[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    snprintf(number, sizeof number, "%d", id);
    char *arguments[] = {"after", pid, number, NULL}, *none[] = {NULL};
    int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    (void)fd;
    execve("/proc/self/exe", arguments, none);
    out("exec failed: %s\n", errno_name(errno));
    return 1;
}
