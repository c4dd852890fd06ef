/*
 * exit_codes -- how a process can end, as its parent sees it
 */
#include "guest.h"

static void *thread_exit(void *argument)
{
    sleep_ms(10);
    syscall(SYS_exit, 21);
    return NULL;
}

static void at_exit(void) { out("atexit handler\n"); }

#define SHOW(...)                                        \
    do {                                                 \
        pid_t show_pid = FORK({                          \
            struct rlimit none = {0, 0};                 \
            setrlimit(RLIMIT_CORE, &none);               \
            __VA_ARGS__;                                 \
        });                                              \
        out("%s: %s\n", #__VA_ARGS__, status_name(reap(show_pid))); \
    } while (0)

int main(int argc, char **argv)
{
    if (argc > 1)
        return 77;
    SHOW(_exit(0));
    SHOW(_exit(1));
    SHOW(_exit(255));
    SHOW(_exit(256));
    SHOW(_exit(-1));
    SHOW(syscall(SYS_exit, 12));
    SHOW(syscall(SYS_exit_group, 0x1234));
    SHOW(atexit(at_exit); exit(3));
    SHOW(abort());
    SHOW(raise(SIGTERM));
    SHOW(raise(SIGKILL));
    SHOW(raise(SIGQUIT));
    SHOW(raise(SIGRTMIN + 1));
    SHOW(raise(SIGCHLD));
    SHOW(raise(SIGURG));
    SHOW(*(volatile int *)16 = 1);
    SHOW(signal(SIGABRT, SIG_IGN); abort());
    SHOW(signal(SIGSEGV, SIG_IGN); *(volatile int *)16 = 1);
    SHOW(signal(SIGTERM, SIG_IGN); raise(SIGTERM); _exit(4));
    SHOW(mask(SIG_BLOCK, SIGSEGV); *(volatile int *)16 = 1);
    SHOW(alarm(1); pause());
    SHOW(pthread_t t; pthread_create(&t, NULL, thread_exit, NULL); pthread_exit(NULL));
    SHOW(execl("/proc/self/exe", "x", "y", (char *)NULL));
    return 0;
}
