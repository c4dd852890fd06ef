/*
 * seccomp_tsc -- the time stamp counter denied by PR_SET_TSC and by strict mode: SIGSEGV, inherited by children and programs
 * guest: needs=proc
 */
#include "guest.h"
#include "seccomp.h"

static void rdtsc(void)
{
    unsigned low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
}

static void rdtscp(void)
{
    unsigned low, high, processor;
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(processor));
}

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    out("%s code %#x addr %p\n", signal_name(number), info->si_code, info->si_addr);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

static void *other_thread(void *unused)
{
    int value = -1;
    prctl(PR_GET_TSC, &value);
    out("a thread of its own choice: %d\n", value);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    rdtsc();
    return unused;
}

int main(int argc, char **argv)
{
    int value = -1;
    (void)argv;
    if (argc > 1) {
        prctl(PR_GET_TSC, &value);
        out("after exec: %d\n", value);
        rdtsc();
        return 0;
    }
    TRY(prctl(PR_GET_TSC, &value));
    out("%d\n", value);
    TRY(prctl(PR_SET_TSC, 0));
    TRY(prctl(PR_SET_TSC, 3));
    TRY(prctl(PR_GET_TSC, 8));
    handle_info(SIGSEGV, handler, 0);
    TRY(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    prctl(PR_GET_TSC, &value);
    out("%d\n", value);
    rdtsc();
    TRY(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    rdtscp();
    TRY(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_join(thread, NULL);
    prctl(PR_GET_TSC, &value);
    out("the first: %d\n", value);
    FATE("child", {
        prctl(PR_GET_TSC, &value);
        out("in a child: %d\n", value);
        rdtsc();
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
        char *const again[] = {"seccomp_tsc", "again", NULL};
        execv("/proc/self/exe", again);
    });
    FATE("strict mode", {
        signal(SIGSEGV, SIG_DFL);
        prctl(PR_SET_TSC, PR_TSC_ENABLE);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        rdtsc();
        call(SYS_exit, 0, 0, 0);
    });
    FATE("filter mode", {
        prctl(PR_SET_TSC, PR_TSC_ENABLE);
        no_new_privs();
        install(0, SYS_getsid, SECCOMP_RET_ERRNO);
        rdtsc();
    });
    return 0;
}
