/*
 * scenario.h -- the frame of the conformance programs.
 *
 * A scenario sets up one situation between processes and prints what can be observed of it, one "key value" a line.  Nothing
 * printed depends on numbers or time: processes and threads are registered under the names of their roles (P a process, L its
 * first thread, T another thread, D a debugger from outside, R the real parent), and steps are ordered by futexes in shared
 * memory and by states in /proc, never by sleeping.  "Nothing happens" is a bounded wait.
 *
 * The frame makes the program a subreaper and, when the scenario is over, kills and reaps whatever is left, so that nothing
 * stays behind on a host.  An alarm does the same if a step never comes.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "rawclone.h"

#include <dirent.h>
#include <linux/futex.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#ifndef PTRACE_SEIZE
#define PTRACE_SEIZE 0x4206
#define PTRACE_INTERRUPT 0x4207
#define PTRACE_LISTEN 0x4208
#endif
#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif
#ifndef PTRACE_O_EXITKILL
#define PTRACE_O_EXITKILL 0x100000
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define LIMIT_MS 10000
/* How long to watch for something that Linux does not do. */
#define QUIET_MS 250
#define FLAGS 64
#define SHARED_FD 60
#define ROLES 64

struct shared {
    int flag[FLAGS];
    long value[FLAGS];
    int roles;
    struct {
        pid_t pid;
        char name[12];
    } role[ROLES];
};

static struct shared *shared;
static char self_path[512];
static pid_t frame_pid;

static void scenario(void);

/* One observation. */
__attribute__((format(printf, 2, 3), unused)) static void say(const char *key, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out("%s %s\n", key, text);
}

__attribute__((unused)) static const char *yes(int condition)
{
    return condition ? "yes" : "no";
}

/* "ok" for success, the name of the error for -1. */
__attribute__((unused)) static const char *result(long value)
{
    return value == -1 ? errno_name(errno) : "ok";
}

/* Inside a pid namespace of its own, where numbers say nothing about roles outside. */
static int nested;

/* Give a pid or tid the name of its role. */
__attribute__((unused)) static pid_t name_pid(pid_t pid, const char *name)
{
    if (nested)
        return pid;
    int slot = __atomic_fetch_add(&shared->roles, 1, __ATOMIC_SEQ_CST);
    shared->role[slot % ROLES].pid = pid;
    snprintf(shared->role[slot % ROLES].name, sizeof shared->role[0].name, "%s", name);
    return pid;
}

__attribute__((unused)) static const char *who(pid_t pid)
{
    if (pid == 0)
        return "0";
    for (int i = shared->roles - 1; i >= 0; i--)
        if (shared->role[i].pid == pid)
            return shared->role[i].name;
    return "other";
}

__attribute__((unused)) static void post(int number)
{
    __atomic_add_fetch(&shared->flag[number], 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &shared->flag[number], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

__attribute__((unused)) static int posted(int number)
{
    return __atomic_load_n(&shared->flag[number], __ATOMIC_SEQ_CST);
}

/* Sleep until a flag has been posted `count` times. */
__attribute__((unused)) static void await_count(int number, int count)
{
    long end = now_ms() + LIMIT_MS;
    int seen;
    while ((seen = posted(number)) < count) {
        struct timespec limit = {0, 500000000};
        syscall(SYS_futex, &shared->flag[number], FUTEX_WAIT, seen, &limit, NULL, 0);
        if (now_ms() > end) {
            out("never flag %d\n", number);
            _exit(99);
        }
    }
}

__attribute__((unused)) static void await(int number)
{
    await_count(number, 1);
}

/* Poll for a condition; the value says whether it came true in time. */
#define within(ms, condition)                                     \
    ({                                                            \
        long within_end = now_ms() + (ms);                        \
        int within_true;                                          \
        while (!(within_true = !!(condition)) && now_ms() < within_end) \
            sleep_ms(2);                                          \
        within_true || (condition);                               \
    })

/* A step that has to come. */
#define must_come(condition)                             \
    do {                                                 \
        if (!within(LIMIT_MS, condition)) {              \
            out("never %s\n", #condition);               \
            _exit(99);                                   \
        }                                                \
    } while (0)

/* Sleep for ever. */
__attribute__((unused, noreturn)) static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* End this thread alone, without libc. */
__attribute__((unused, noreturn)) static void thread_exit(int code)
{
    for (;;)
        syscall(SYS_exit, code);
}

__attribute__((unused)) static pid_t gettid_raw(void)
{
    return (pid_t)syscall(SYS_gettid);
}

struct thread_start {
    int (*function)(void);
    volatile int tid;
};

static void *thread_main(void *argument)
{
    struct thread_start *start = argument;
    int (*function)(void) = start->function;
    __atomic_store_n(&start->tid, gettid_raw(), __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &start->tid, FUTEX_WAKE, 1, NULL, NULL, 0);
    thread_exit(function());
}

/* Start a thread of this process; it ends alone with the function's value.  Returns its tid. */
__attribute__((unused)) static pid_t thread(int (*function)(void))
{
    struct thread_start start = {function, 0};
    pthread_attr_t attributes;
    pthread_t id;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    int error = pthread_create(&id, &attributes, thread_main, &start);
    if (error) {
        out("pthread_create failed: %s\n", errno_name(error));
        _exit(99);
    }
    while (__atomic_load_n(&start.tid, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, &start.tid, FUTEX_WAIT, 0, NULL, NULL, 0);
    return start.tid;
}

/* Fork a process that runs the function and exits with its value. */
__attribute__((unused)) static pid_t spawn(const char *name, int (*function)(void))
{
    pid_t pid = MUST(fork());
    if (pid == 0) {
        alarm(0);
        signal(SIGALRM, SIG_DFL);
        _exit(function());
    }
    return name_pid(pid, name);
}

/* State letter of one thread, '?' if there is no such thread. */
__attribute__((unused)) static char thread_state(pid_t pid, pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
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

#define await_thread(pid, tid, states) must_come(strchr(states, thread_state(pid, tid)))
/* The thread has exited: it is a zombie or not there any more. */
#define await_exited(pid, tid) must_come(strchr("ZX?", thread_state(pid, tid)))
#define await_process(pid, states) must_come(strchr(states, task_state(pid)))

/* A line of /proc/PID/status, without the name; the value is in static memory. */
__attribute__((unused)) static const char *status_line(const char *path, const char *name)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno_name(errno);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    size_t size = strlen(name);
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, name, size) || line[size] != ':')
            continue;
        line += size + 1;
        line += strspn(line, " \t");
        line[strcspn(line, "\n")] = 0;
        return line;
    }
    return "missing";
}

/* First real uid in a status file, -1 if there is none. */
__attribute__((unused)) static int status_uid(const char *path)
{
    const char *text = status_line(path, "Uid");
    return *text >= '0' && *text <= '9' ? atoi(text) : -1;
}

/* Number of entries of a directory that are numbers; -1 with errno if it cannot be opened. */
__attribute__((unused)) static int count_numbers(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(directory);
    return count;
}

/* The parent of a process as this one sees it, 0 if it is not there. */
__attribute__((unused)) static pid_t parent_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return atoi(status_line(path, "PPid"));
}

/* Some child of a process, seen from here; 0 if there is none. */
__attribute__((unused)) static pid_t child_of(pid_t parent)
{
    DIR *directory = opendir("/proc");
    pid_t found = 0;
    if (!directory)
        return 0;
    for (struct dirent *entry; !found && (entry = readdir(directory));) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 0 && pid != parent && parent_of(pid) == parent)
            found = pid;
    }
    closedir(directory);
    return found;
}

/* The thread of a process that is not its first, seen from here; 0 if there is none. */
__attribute__((unused)) static pid_t other_thread_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    pid_t found = 0;
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
            found = atoi(entry->d_name);
    closedir(directory);
    return found;
}

/* A wait status in words. */
__attribute__((unused)) static const char *describe(int status)
{
    static char text[64];
    static const char *const events[] = {"0", "FORK", "VFORK", "CLONE", "EXEC", "VFORK_DONE", "EXIT", "SECCOMP"};
    int event = status >> 16;
    if (WIFSTOPPED(status) && event) {
        const char *name = event == PTRACE_EVENT_STOP ? "STOP" : event < 8 ? events[event] : "unknown";
        snprintf(text, sizeof text, "event %s %s", name, signal_name(WSTOPSIG(status)));
        return text;
    }
    if (WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80))
        return "syscall-stop";
    return status_name(status);
}

/* What a wait call returned: "none", an error, or who and what. */
__attribute__((unused)) static void say_wait(const char *key, pid_t pid, int status)
{
    if (pid == -1)
        say(key, "%s", errno_name(errno));
    else if (pid == 0)
        say(key, "none");
    else
        say(key, "%s %s", who(pid), describe(status));
}

#define WAIT(key, pid, flags)                                          \
    ({                                                                 \
        int wait_status = 0;                                           \
        pid_t wait_pid = waitpid(pid, &wait_status, flags);            \
        say_wait(key, wait_pid, wait_status);                          \
        wait_status;                                                   \
    })

/* Wait for something that has to come, with a limit. */
__attribute__((unused)) static pid_t wait_limited(pid_t pid, int *status, int flags, long ms)
{
    long end = now_ms() + ms;
    pid_t got;
    while ((got = waitpid(pid, status, flags | WNOHANG)) == 0 && now_ms() < end)
        sleep_ms(2);
    return got;
}

#define WAIT_WITHIN(key, pid, flags, ms)                                       \
    ({                                                                         \
        int wait_status = 0;                                                   \
        pid_t wait_pid = wait_limited(pid, &wait_status, flags, ms);           \
        say_wait(key, wait_pid, wait_status);                                  \
        wait_status;                                                           \
    })

__attribute__((unused)) static const char *code_name(int code)
{
    static const char *const names[] = {"0", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    return code >= 0 && code <= 6 ? names[code] : "unknown";
}

/* "EXITED 5 P" */
__attribute__((unused)) static void say_info(const char *key, const siginfo_t *info)
{
    if (info->si_pid == 0 && info->si_signo == 0)
        say(key, "none");
    else
        say(key, "%s %d %s", code_name(info->si_code), info->si_status, who(info->si_pid));
}

#define WAITID(key, type, id, flags)                                 \
    ({                                                               \
        siginfo_t waitid_info = {0};                                 \
        int waitid_result = waitid(type, id, &waitid_info, flags);   \
        if (waitid_result == -1)                                     \
            say(key, "%s", errno_name(errno));                       \
        else                                                         \
            say_info(key, &waitid_info);                             \
        waitid_info;                                                 \
    })

/* Poll waitid until it has something or the time is over. */
#define WAITID_WITHIN(key, type, id, flags, ms)                                     \
    ({                                                                              \
        siginfo_t polled = {0};                                                     \
        int polled_result = 0;                                                      \
        within(ms, (polled_result = waitid(type, id, &polled, (flags) | WNOHANG)) == -1 || polled.si_pid); \
        if (polled_result == -1)                                                    \
            say(key, "%s", errno_name(errno));                                      \
        else                                                                        \
            say_info(key, &polled);                                                 \
        polled;                                                                     \
    })

/* What came with SIGCHLD, in order. */
static volatile int sigchld_count;
static siginfo_t sigchld_seen[64];

static void on_sigchld(int number, siginfo_t *info, void *context)
{
    if (sigchld_count < 64)
        sigchld_seen[sigchld_count] = *info;
    sigchld_count++;
}

__attribute__((unused)) static void watch_sigchld(void)
{
    sigchld_count = 0;
    handle_info(SIGCHLD, on_sigchld, SA_RESTART);
}

/* Print all SIGCHLDs since watch_sigchld() or the last call of this. */
__attribute__((unused)) static void say_sigchld(const char *key)
{
    char text[512] = "";
    size_t length = 0;
    for (int i = 0; i < sigchld_count && i < 64 && length < sizeof text; i++) {
        const siginfo_t *info = &sigchld_seen[i];
        length += snprintf(text + length, sizeof text - length, "%s%s %d %s", i ? ", " : "", code_name(info->si_code),
                           info->si_status, who(info->si_pid));
    }
    say(key, "%s", sigchld_count ? text : "none");
    sigchld_count = 0;
}

/* SIGCHLDs that have to come, then a quiet time in which more would show. */
#define say_sigchlds(key, number)                          \
    do {                                                   \
        within(LIMIT_MS / 10, sigchld_count >= (number));  \
        sleep_ms(50);                                      \
        say_sigchld(key);                                  \
    } while (0)

__attribute__((unused)) static long trace(long request, pid_t pid, unsigned long address, unsigned long data)
{
    return syscall(SYS_ptrace, request, (long)pid, address, data);
}

__attribute__((unused)) static long seize(pid_t pid, unsigned long options)
{
    return MUST(trace(PTRACE_SEIZE, pid, 0, options));
}

__attribute__((unused)) static long resume(pid_t pid, int number)
{
    return MUST(trace(PTRACE_CONT, pid, 0, number));
}

__attribute__((unused)) static unsigned long event_message(pid_t pid)
{
    unsigned long message = 0;
    MUST(trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message));
    return message;
}

/* Wait for a tracee and print. */
#define TRACE_WAIT(key, pid) WAIT_WITHIN(key, pid, __WALL, LIMIT_MS)

/* Execute this program again; the image does one of the things in image() or what the scenario defines. */
__attribute__((unused)) static int exec_path(const char *path, const char *verb, long first, long second)
{
    char a[24], b[24];
    snprintf(a, sizeof a, "%ld", first);
    snprintf(b, sizeof b, "%ld", second);
    char *argv[] = {"image", (char *)verb, a, b, NULL};
    char *envp[] = {NULL};
    return (int)syscall(SYS_execve, path, argv, envp);
}

__attribute__((unused)) static int exec_self(const char *verb, long first, long second)
{
    return exec_path(self_path, verb, first, second);
}

static void map_shared(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    if (shared == MAP_FAILED) {
        out("no shared memory: %s\n", errno_name(errno));
        _exit(99);
    }
}

/*
 * A new image of the program: "exit CODE", "post FLAG CODE" (post the flag and exit), "hold FLAG OTHER" (post the flag, wait for
 * the other one, exit 0), "sleep FLAG" (post the flag and sleep).
 */
static int image(const char *verb, long first, long second)
{
    map_shared();
#ifdef IMAGE
    IMAGE(verb, first, second);
#endif
    if (!strcmp(verb, "exit"))
        return (int)first;
    post((int)first);
    if (!strcmp(verb, "post"))
        return (int)second;
    if (!strcmp(verb, "hold")) {
        await((int)second);
        return 0;
    }
    sleep_for_ever();
}

/* Kill and reap everything that is left. */
static void clean_up(void)
{
    long end = now_ms() + LIMIT_MS;
    signal(SIGCHLD, SIG_DFL);
    while (now_ms() < end) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
        if (pid == -1 && errno == ECHILD)
            return;
        if (pid > 0) {
            if (WIFSTOPPED(status))
                trace(PTRACE_CONT, pid, 0, SIGKILL);
            continue;
        }
        DIR *directory = opendir("/proc");
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            pid = atoi(entry->d_name);
            if (pid > 0 && parent_of(pid) == frame_pid)
                kill(pid, SIGKILL);
        }
        if (directory)
            closedir(directory);
        sleep_ms(5);
    }
}

static void on_alarm(int number)
{
    if (getpid() != frame_pid)
        _exit(97);
    out("never finished\n");
    clean_up();
    _exit(97);
}

/* Say why this cannot be tried here, and end. */
__attribute__((unused, noreturn)) static void skip(const char *reason)
{
    say("skip", "%s", reason);
    if (getpid() == frame_pid)
        clean_up();
    _exit(0);
}

__attribute__((unused)) static void need_root(void)
{
    if (geteuid() != 0)
        skip("needs root");
}

/* A child in a pid namespace of its own, which needs CAP_SYS_ADMIN. */
__attribute__((unused)) static pid_t spawn_init(const char *name, int (*function)(void))
{
    pid_t pid = (pid_t)raw_fork(CLONE_NEWPID | SIGCHLD, NULL, NULL);
    if (pid == -1)
        skip(errno == EPERM ? "needs the right to make pid namespaces" : "no pid namespaces here");
    if (pid == 0) {
        nested = 1;
        alarm(0);
        signal(SIGALRM, SIG_DFL);
        _exit(function());
    }
    return name_pid(pid, name);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[0], "image"))
        return image(argv[1], atol(argv[2]), atol(argv[3]));
    int fd = (int)syscall(SYS_memfd_create, "shared", 0);
    if (fd < 0 || ftruncate(fd, sizeof *shared) || dup2(fd, SHARED_FD) != SHARED_FD) {
        out("no shared memory: %s\n", errno_name(errno));
        return 99;
    }
    close(fd);
    map_shared();
    self_path[MUST(readlink("/proc/self/exe", self_path, sizeof self_path - 1))] = 0;
    frame_pid = getpid();
    name_pid(frame_pid, "R");
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    handle(SIGALRM, on_alarm, 0);
    alarm(40);
    scenario();
    alarm(0);
    clean_up();
    return 0;
}

#endif
