/*
 * guest.h -- what the guest programs share: printing observations in one fixed form.
 *
 * A guest program is an experiment: it does something with the kernel and prints what it saw.  The same binary runs
 * on a Linux host and in the machine, and the two outputs must be equal byte for byte, so nothing printed may depend on
 * pids, addresses or time.  Every line is one write(2) (no stdio buffer that a fork could duplicate).
 */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Print one line's worth of text with a single write. */
__attribute__((format(printf, 1, 2), unused)) static void out(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    int saved = errno;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 1)
        length = sizeof line - 1;
    if (write(1, line, length) != length)
        _exit(98);
    errno = saved;
}

__attribute__((unused)) static const char *errno_name(int number)
{
    static char other[16];
#define E(name) \
    case name:  \
        return #name;
    switch (number) {
        E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(ENXIO) E(E2BIG) E(ENOEXEC) E(EBADF) E(ECHILD) E(EAGAIN) E(ENOMEM)
        E(EACCES) E(EFAULT) E(ENOTBLK) E(EBUSY) E(EEXIST) E(EXDEV) E(ENODEV) E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENFILE)
        E(EMFILE) E(ENOTTY) E(ETXTBSY) E(EFBIG) E(ENOSPC) E(ESPIPE) E(EROFS) E(EMLINK) E(EPIPE) E(EDOM) E(ERANGE)
        E(EDEADLK) E(ENAMETOOLONG) E(ENOLCK) E(ENOSYS) E(ENOTEMPTY) E(ELOOP) E(EOVERFLOW) E(ENOTSUP) E(ETIMEDOUT)
        E(EOWNERDEAD) E(ENOTRECOVERABLE) E(ECANCELED) E(ENOTSOCK) E(ELIBBAD) E(ENODATA)
        E(ENOTCONN) E(EISCONN) E(ECONNREFUSED) E(ECONNRESET) E(ECONNABORTED) E(EINPROGRESS) E(EALREADY) E(EADDRINUSE)
        E(EADDRNOTAVAIL) E(ENETUNREACH) E(ENETDOWN) E(EHOSTUNREACH) E(EAFNOSUPPORT) E(EPROTONOSUPPORT) E(ESOCKTNOSUPPORT)
        E(EPROTOTYPE) E(EPROTO) E(ENOPROTOOPT) E(EMSGSIZE) E(EDESTADDRREQ) E(ENOBUFS) E(ESHUTDOWN)
    }
#undef E
    snprintf(other, sizeof other, "E%d", number);
    return other;
}

__attribute__((unused)) static const char *signal_name(int number)
{
    static char other[16];
#define S(name) \
    case name:  \
        return #name;
    switch (number) {
        S(SIGHUP) S(SIGINT) S(SIGQUIT) S(SIGILL) S(SIGTRAP) S(SIGABRT) S(SIGBUS) S(SIGFPE) S(SIGKILL) S(SIGUSR1)
        S(SIGSEGV) S(SIGUSR2) S(SIGPIPE) S(SIGALRM) S(SIGTERM) S(SIGSTKFLT) S(SIGCHLD) S(SIGCONT) S(SIGSTOP) S(SIGTSTP)
        S(SIGTTIN) S(SIGTTOU) S(SIGURG) S(SIGXCPU) S(SIGXFSZ) S(SIGVTALRM) S(SIGPROF) S(SIGWINCH) S(SIGIO) S(SIGPWR)
        S(SIGSYS)
    }
#undef S
    snprintf(other, sizeof other, "SIG%d", number);
    return other;
}

/* "exited 3", "killed SIGSEGV", "killed SIGSEGV (core)", "stopped SIGSTOP", "continued". */
__attribute__((unused)) static const char *status_name(int status)
{
    static char text[48];
    if (WIFEXITED(status))
        snprintf(text, sizeof text, "exited %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "killed %s%s", signal_name(WTERMSIG(status)), WCOREDUMP(status) ? " (core)" : "");
    else if (WIFSTOPPED(status))
        snprintf(text, sizeof text, "stopped %s", signal_name(WSTOPSIG(status)));
    else if (WIFCONTINUED(status))
        snprintf(text, sizeof text, "continued");
    else
        snprintf(text, sizeof text, "status %#x", status);
    return text;
}

/* Run a call and print its text with the result: "close(7) = -1 EBADF".  The value is the call's. */
#define TRY(call)                                                \
    ({                                                           \
        errno = 0;                                               \
        long try_result = (long)(call);                          \
        if (try_result == -1)                                    \
            out("%s = -1 %s\n", #call, errno_name(errno));       \
        else                                                     \
            out("%s = %ld\n", #call, try_result);                \
        try_result;                                              \
    })

/* The same for a call whose positive result differs from run to run (a pid, an address): prints "ok". */
#define TRY_OK(call)                                             \
    ({                                                           \
        errno = 0;                                               \
        long try_result = (long)(call);                          \
        if (try_result == -1)                                    \
            out("%s = -1 %s\n", #call, errno_name(errno));       \
        else                                                     \
            out("%s = ok\n", #call);                             \
        try_result;                                              \
    })

/* For calls that return an error number instead of setting errno (pthread_*, posix_*). */
#define TRY_P(call)                                              \
    ({                                                           \
        int try_result = (call);                                 \
        out("%s = %s\n", #call, try_result ? errno_name(try_result) : "0"); \
        try_result;                                              \
    })

/* Set-up that must work for the experiment to mean anything. */
#define MUST(call)                                                                            \
    ({                                                                                        \
        errno = 0;                                                                            \
        long must_result = (long)(call);                                                      \
        if (must_result == -1) {                                                              \
            out("%s:%d: %s failed: %s\n", __FILE_NAME__, __LINE__, #call, errno_name(errno)); \
            _exit(99);                                                                        \
        }                                                                                     \
        must_result;                                                                          \
    })

#ifndef __FILE_NAME__
#define __FILE_NAME__ "guest"
#endif

/* State an expectation: "ok WHAT" or "WRONG WHAT", and remember for the exit status. */
static int wrong __attribute__((unused));
__attribute__((format(printf, 2, 3), unused)) static int expect(int condition, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out("%s %s\n", condition ? "ok" : "WRONG", text);
    if (!condition)
        wrong = 1;
    return condition;
}

/* Sleep for some milliseconds, whatever signals come. */
__attribute__((unused)) static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
}

__attribute__((unused)) static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/* Fork a child that runs `body` and exits 0 unless the body exits by itself. */
#define FORK(...)                        \
    ({                                   \
        pid_t fork_pid = MUST(fork());   \
        if (fork_pid == 0) {             \
            __VA_ARGS__;                 \
            _exit(0);                    \
        }                                \
        fork_pid;                        \
    })

/* Wait for one child and return its status. */
__attribute__((unused)) static int reap(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, __WALL) == -1)
        if (errno != EINTR) {
            out("waitpid failed: %s\n", errno_name(errno));
            _exit(99);
        }
    return status;
}

/* The state letter of /proc/PID/stat, or '?' when there is no such process. */
__attribute__((unused)) static char task_state(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '?';
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return '?';
    text[length] = 0;
    char *end = strrchr(text, ')');
    return end ? end[2] : '?';
}

/* Wait until a task reaches one of the given states of /proc/PID/stat. */
__attribute__((unused)) static void await_state(pid_t pid, const char *states)
{
    for (int i = 0; i < 2000; i++) {
        if (strchr(states, task_state(pid)))
            return;
        sleep_ms(2);
    }
    out("process never reached state %s\n", states);
    _exit(99);
}

/* Install a handler. */
__attribute__((unused)) static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(number, &action, NULL));
}

__attribute__((unused)) static void handle_info(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    MUST(sigaction(number, &action, NULL));
}

/* Block or unblock one signal. */
__attribute__((unused)) static void mask(int how, int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    MUST(sigprocmask(how, &set, NULL));
}

/* A program that needs root says so and succeeds without it, so that the comparison stays meaningful. */
#define NEED_ROOT                               \
    do {                                        \
        if (geteuid() != 0) {                   \
            out("skipped: needs root\n");       \
            return 0;                           \
        }                                       \
    } while (0)

#endif
