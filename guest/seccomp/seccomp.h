/* seccomp.h -- what the seccomp programs share: filters written as arrays, and installing them. */
#ifndef GUEST_SECCOMP_H
#define GUEST_SECCOMP_H
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#ifndef SECCOMP_RET_USER_NOTIF
#define SECCOMP_RET_USER_NOTIF 0x7fc00000U
#endif
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH 16
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 32
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

__attribute__((unused)) static void no_new_privs(void)
{
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

__attribute__((unused)) static long seccomp(unsigned operation, unsigned flags, void *args)
{
    return syscall(SYS_seccomp, operation, flags, args);
}

__attribute__((unused)) static long install_program(unsigned flags, struct sock_filter *filter, unsigned short length)
{
    struct sock_fprog program = {length, filter};
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* A filter that answers `action` to call `number` and allows all others. */
__attribute__((unused)) static long install(unsigned flags, int number, unsigned action)
{
    struct sock_filter filter[] = {LOAD(nr), EQUAL(number, 0, 1), ANSWER(action), ANSWER(SECCOMP_RET_ALLOW)};
    return install_program(flags, filter, LENGTH(filter));
}

/* One line of /proc/self/status or /proc/PID/status. */
__attribute__((unused)) static void show_status(const char *path, const char *key)
{
    char text[4096];
    int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, key, strlen(key)) == 0)
            out("%s\n", line);
}

/* How a child ends that runs `body`. */
#define FATE(what, ...)                                             \
    do {                                                            \
        pid_t fate = FORK(__VA_ARGS__);                             \
        int fate_status = reap(fate);                               \
        out("%s: %s\n", what, status_name(fate_status));            \
    } while (0)

/* A call by number: its result, or minus the error number. */
__attribute__((unused)) static long call(long number, long a, long b, long c)
{
    long result;
    asm volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
#endif
