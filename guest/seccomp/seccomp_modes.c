/*
 * seccomp_modes -- strict and filter mode, who may enter them, and what seccomp(2), prctl(2) and /proc say about it
 * guest: needs=root,proc
 */
#include "guest.h"
#include "seccomp.h"
#include <ucontext.h>

static void questions(void)
{
    static const unsigned actions[] = {
        SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF,
        SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1, 0x7ff10000, 0x12340000, 0xffff0000,
    };
    unsigned short sizes[4] = {0xaaaa, 0xaaaa, 0xaaaa, 0xaaaa};

    for (unsigned i = 0; i < LENGTH(actions); i++) {
        unsigned action = actions[i];
        errno = 0;
        long result = seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action);
        out("action %#x: %ld %s\n", action, result, result ? errno_name(errno) : "");
    }
    TRY(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, (void *)&actions[0]));
    TRY(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL));
    TRY(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, (void *)-8L));
    TRY(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, sizes));
    out("sizes %u %u %u, then %#x\n", sizes[0], sizes[1], sizes[2], sizes[3]);
    TRY(seccomp(SECCOMP_GET_NOTIF_SIZES, 2, sizes));
    TRY(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, (void *)8));
    TRY(seccomp(4, 0, NULL));
    TRY(seccomp(-1, 0, NULL));
}

static void arguments(void)
{
    struct sock_filter allow[] = {ANSWER(SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow}, none = {0, allow}, null = {1, NULL}, bad = {1, (void *)8}, many = {4097, allow};

    TRY(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
    TRY(seccomp(SECCOMP_SET_MODE_STRICT, 0, &program));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 64, &program));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, -1, &program));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 64, (void *)8));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, (void *)8));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, &none));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, &many));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, &null));
    TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad));
    TRY(prctl(PR_GET_SECCOMP));
    TRY(prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, 3, 0, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, 0x100000002L, &program, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &none, 0, 0));
}

/* Without privileges only a process that cannot gain any may confine itself; the program is looked at afterwards. */
static void privileges(void)
{
    struct sock_filter allow[] = {ANSWER(SECCOMP_RET_ALLOW)}, wrong[] = {BPF_STMT(BPF_LD | BPF_IMM, 0)};

    pid_t pid = FORK({
        TRY(install_program(0, allow, 1));
        show_status("/proc/self/status", "Seccomp");
        MUST(setresuid(1000, 1000, 1000));
        TRY(install_program(0, allow, 1));
        TRY(install_program(0, wrong, 1));
        TRY(install_program(0, NULL, 1));
        TRY(install_program(0, allow, 0));
        TRY(seccomp(SECCOMP_SET_MODE_FILTER, 0, (void *)8));
        TRY(install_program(SECCOMP_FILTER_FLAG_LOG, allow, 1));
        no_new_privs();
        TRY(install_program(0, wrong, 1));
        TRY(install_program(SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, allow, 1));
        show_status("/proc/self/status", "NoNewPrivs");
        show_status("/proc/self/status", "Seccomp");
        TRY(prctl(PR_GET_SECCOMP));
        TRY(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL));
        TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
    });
    out("%s\n", status_name(reap(pid)));
}

static void behind_ud2(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void strict(void)
{
    FATE("strict, then exit", {
        TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 12345, 0, 0));
        out("still writing\n");
        call(SYS_exit, 5, 0, 0);
    });
    FATE("strict, then exit_group", {
        seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL);
        call(SYS_exit_group, 5, 0, 0);
    });
    FATE("strict, then getpid", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        call(SYS_getpid, 0, 0, 0);
    });
    FATE("strict, then PR_GET_SECCOMP", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        prctl(PR_GET_SECCOMP);
    });
    FATE("strict twice", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    });
    FATE("strict, then no such call", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        call(9999, 0, 0, 0);
    });
    FATE("strict, then x32 read", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        call(0x40000000, 0, 0, 0);
    });
    /* A handler returns by rt_sigreturn, which is allowed. */
    FATE("strict with a handler", {
        handle_info(SIGILL, behind_ud2, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        asm volatile("ud2" ::: "memory");
        out("came back\n");
        call(SYS_exit, 6, 0, 0);
    });
    FATE("strict after filter", {
        install(0, SYS_getppid, SECCOMP_RET_ERRNO | EPERM);
        TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
        TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    });
}

static void sysctls(void)
{
    char text[256];
    static const char *const files[] = {"actions_avail", "actions_logged"};
    for (int i = 0; i < 2; i++) {
        char path[80];
        snprintf(path, sizeof path, "/proc/sys/kernel/seccomp/%s", files[i]);
        int fd = open(path, O_RDONLY);
        ssize_t length = read(fd, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        out("%s: %s", files[i], text);
        struct stat status;
        fstat(fd, &status);
        out("mode %o\n", status.st_mode);
        close(fd);
    }
}

int main(void)
{
    NEED_ROOT;
    questions();
    arguments();
    privileges();
    strict();
    sysctls();
    show_status("/proc/self/status", "Seccomp");
    return 0;
}
