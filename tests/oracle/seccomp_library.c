/* A program that confines itself with libseccomp: rules on arguments, a default, and what the library finds the kernel can do. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

static void result(const char *what, int value)
{
    printf("%s: %d %d\n", what, value, value < 0 ? errno : 0);
    fflush(stdout);
}

int main(void)
{
    static const int allowed[] = {
        SCMP_SYS(write), SCMP_SYS(exit_group), SCMP_SYS(read), SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(fstat),
        SCMP_SYS(newfstatat), SCMP_SYS(close), SCMP_SYS(rt_sigreturn),
    };
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

    result("api", seccomp_api_get());
    for (unsigned i = 0; i < sizeof allowed / sizeof *allowed; i++)
        seccomp_rule_add(context, SCMP_ACT_ALLOW, allowed[i], 0);
    result("rule", seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(dup2), 1, SCMP_A1(SCMP_CMP_LE, 7)));
    result("rule", seccomp_rule_add(context, SCMP_ACT_ERRNO(EXDEV), SCMP_SYS(openat), 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY)));
    result("rule", seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY)));
    seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    result("load", seccomp_load(context));
    result("dup2 to 7", dup2(1, 7));
    result("dup2 to 8", dup2(1, 8));
    result("open to read", open("/etc/passwd", O_RDONLY) < 0);
    result("open to write", open("/dev/null", O_WRONLY));
    result("open for both", open("/dev/null", O_RDWR));
    result("getppid", getppid());
    return 0;
}
