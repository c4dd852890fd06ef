/*
 * seccomp_threads -- filters of several threads: killing one, inheriting, synchronising, and executing a program under one
 * guest: needs=proc
 */
#include "guest.h"
#include "seccomp.h"

static pthread_barrier_t barrier;

static void *killed(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    install(0, SYS_getsid, SECCOMP_RET_KILL_THREAD);
    call(SYS_getsid, 0, 0, 0);
    return NULL;
}

static void *asks(void *unused)
{
    call(SYS_getpgid, 0, 0, 0);
    return unused;
}

/* libc cannot know that the thread is gone: nobody joins it. */
static void wait_for_threads(int count)
{
    char text[2048], wanted[32];
    snprintf(wanted, sizeof wanted, "Threads:\t%d\n", count);
    for (int i = 0; i < 500; i++) {
        int fd = open("/proc/self/status", O_RDONLY);
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        text[length > 0 ? length : 0] = 0;
        if (strstr(text, wanted))
            return;
        sleep_ms(2);
    }
    out("never %d threads\n", count);
}

static void kill_threads(void)
{
    pthread_t thread;
    FATE("KILL_THREAD in another thread", {
        no_new_privs();
        pthread_barrier_init(&barrier, NULL, 2);
        pthread_create(&thread, NULL, killed, NULL);
        pthread_barrier_wait(&barrier);
        wait_for_threads(1);
        out("the first one lives\n");
        _exit(3);
    });
    FATE("KILL_THREAD in the first thread", {
        no_new_privs();
        install(0, SYS_getsid, SECCOMP_RET_KILL_THREAD);
        if (call(SYS_clone, SIGCHLD, 0, 0) == 0) {
            call(SYS_getsid, 0, 0, 0);
            _exit(1);
        }
        int status;
        wait(&status);
        out("a process of one thread: %s\n", status_name(status));
        call(SYS_getsid, 0, 0, 0);
    });
    FATE("KILL_PROCESS in another thread", {
        no_new_privs();
        pthread_barrier_init(&barrier, NULL, 2);
        install(0, SYS_getpgid, SECCOMP_RET_KILL_PROCESS);
        pthread_create(&thread, NULL, asks, NULL);
        for (;;)
            pause();
    });
}

static void *last(void *first)
{
    (void)first;
    sleep_ms(50);
    out("state of the first: %c\n", task_state(getpid()));
    call(SYS_exit, 7, 0, 0);
    return NULL;
}

static void first_dies(void)
{
    pthread_t thread;
    FATE("KILL_THREAD in the first of two", {
        no_new_privs();
        install(0, SYS_getsid, SECCOMP_RET_KILL_THREAD);
        pthread_create(&thread, NULL, last, NULL);
        call(SYS_getsid, 0, 0, 0);
    });
    FATE("strict kill of the first of two", {
        pthread_create(&thread, NULL, last, NULL);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        call(SYS_getsid, 0, 0, 0);
    });
}

static void inherited(void)
{
    FATE("inherited", {
        no_new_privs();
        install(0, SYS_getsid, SECCOMP_RET_ERRNO | 10);
        pid_t pid = FORK({
            install(0, SYS_getpgid, SECCOMP_RET_ERRNO | 11);
            out("child %ld %ld\n", call(SYS_getsid, 0, 0, 0), call(SYS_getpgid, 0, 0, 0));
            show_status("/proc/self/status", "Seccomp");
        });
        reap(pid);
        out("parent %ld %d\n", call(SYS_getsid, 0, 0, 0), call(SYS_getpgid, 0, 0, 0) > 0);
        show_status("/proc/self/status", "Seccomp");
        if (vfork() == 0) {
            _exit(call(SYS_getsid, 0, 0, 0) == -10 ? 0 : 1);
        }
        int status;
        wait(&status);
        out("vfork: %s\n", status_name(status));
        char *const argv[] = {"seccomp_threads", "again", NULL};
        execv("/proc/self/exe", argv);
    });
}

static void *waits(void *own)
{
    if (own)
        install(0, SYS_getpgid, SECCOMP_RET_ERRNO | 21);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    out("sibling: %ld %d, nnp %d\n", call(SYS_getsid, 0, 0, 0) < 0 ? call(SYS_getsid, 0, 0, 0) : 0,
        call(SYS_getpgid, 0, 0, 0) > 0, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    show_status("/proc/thread-self/status", "Seccomp");
    return NULL;
}

static void synchronised(const char *what, unsigned flags, int own, int before, int in_strict)
{
    pthread_t thread;
    pid_t pid = FORK({
        pthread_barrier_init(&barrier, NULL, 2);
        if (before) {
            no_new_privs();
            install(0, SYS_getppid, SECCOMP_RET_ALLOW);
        }
        if (own && !before)
            no_new_privs();
        pthread_create(&thread, NULL, waits, own ? &barrier : NULL);
        pthread_barrier_wait(&barrier);
        no_new_privs();
        if (in_strict)
            TRY(install(0, SYS_getpgid, SECCOMP_RET_ALLOW));
        errno = 0;
        long result = install(flags, SYS_getsid, SECCOMP_RET_ERRNO | 20);
        out("%s: %s %s\n", what, result == 0 ? "0" : result > 0 ? "a thread" : "-1", result < 0 ? errno_name(errno) : "");
        if (result > 0 && task_state(result) == '?')
            out("which is none\n");
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        show_status("/proc/self/status", "Seccomp");
    });
    out("%s: %s\n", what, status_name(reap(pid)));
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        out("after exec %ld\n", call(SYS_getsid, 0, 0, 0));
        show_status("/proc/self/status", "Seccomp");
        return 0;
    }
    kill_threads();
    first_dies();
    inherited();
    synchronised("without TSYNC", 0, 0, 0, 0);
    synchronised("TSYNC", SECCOMP_FILTER_FLAG_TSYNC, 0, 0, 0);
    synchronised("TSYNC over common filters", SECCOMP_FILTER_FLAG_TSYNC, 0, 1, 0);
    synchronised("TSYNC when the caller has more", SECCOMP_FILTER_FLAG_TSYNC, 0, 1, 1);
    synchronised("TSYNC when the other has its own", SECCOMP_FILTER_FLAG_TSYNC, 1, 1, 0);
    synchronised("TSYNC and ESRCH", SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 1, 0, 0);
    synchronised("ESRCH alone", SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 1, 0, 0);
    return 0;
}
