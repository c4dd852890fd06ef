/* Filters, what becomes of calls they do not allow, and a listener. */
#include "trace.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static long install(unsigned flags, int number, unsigned action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    return CALL(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void handler(int signo)
{
    (void)signo;
}

static pid_t child(void)
{
    return CALL(fork);
}

static void filters(void)
{
    static struct sock_filter dead[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getegid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, dead};

    install(0, SYS_getsid, SECCOMP_RET_ERRNO | 7);
    CALL(getsid, 0L);
    install(SECCOMP_FILTER_FLAG_LOG, SYS_getuid, SECCOMP_RET_TRAP | 7);
    CALL(getuid);
    install(SECCOMP_FILTER_FLAG_SPEC_ALLOW, SYS_getgid, SECCOMP_RET_TRACE | 7);
    CALL(getgid);
    install(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SYS_geteuid, SECCOMP_RET_LOG | 7);
    CALL(geteuid);
    CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    CALL(prctl, PR_GET_SECCOMP);
    CALL(getegid);
}

static void listener(void)
{
    struct seccomp_notif request;
    struct seccomp_notif_resp response;
    struct seccomp_notif_addfd add;
    uint64_t id;
    int status, fd = (int)install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_getpgrp, SECCOMP_RET_USER_NOTIF);

    if (child() == 0) {
        CALL(getpgrp);
        CALL(exit, 0);
    }
    memset(&request, 0, sizeof request);
    request.pid = 1;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_RECV, &request);
    request.pid = 0;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_RECV, &request);
    id = request.id;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
    CALL(ioctl, fd, _IOR('!', 2, uint64_t), &id);
    id++;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
    memset(&add, 0, sizeof add);
    add.id = request.id;
    add.srcfd = 1;
    add.newfd = 7;
    add.newfd_flags = O_CLOEXEC;
    add.flags = SECCOMP_ADDFD_FLAG_SETFD;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_SEND, 0L);
    memset(&response, 0, sizeof response);
    response.id = request.id;
    response.val = 1;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
    response.val = 0;
    response.flags = 0;
    response.error = -EPERM;
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
    CALL(wait4, -1, &status, 0, 0L);
    CALL(ioctl, fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(void)
{
    unsigned action = SECCOMP_RET_TRAP, other = 0x12340000;
    unsigned short sizes[3];
    int status;

    CALL(seccomp, SECCOMP_SET_MODE_STRICT, 1, 0L);
    CALL(seccomp, 99, 0, 0L);
    CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0xffff, 0L);
    CALL(seccomp, SECCOMP_SET_MODE_FILTER, 3, 0L);
    CALL(seccomp, SECCOMP_SET_MODE_FILTER, 24, 1L);
    CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
    CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &other);
    CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 1L);
    CALL(seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes);
    CALL(seccomp, SECCOMP_GET_NOTIF_SIZES, 1, sizes);
    CALL(prctl, PR_GET_SECCOMP);
    CALL(prctl, PR_SET_SECCOMP, 7L, 0L, 1L, 2L);
    CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0L);
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
    signal(SIGSYS, handler);
    if (child() == 0)
        filters();
    CALL(wait4, -1, &status, 0, 0L);
    if (child() == 0) {
        install(0, SYS_getegid, SECCOMP_RET_KILL_THREAD);
        CALL(getegid);
    }
    CALL(wait4, -1, &status, 0, 0L);
    if (child() == 0) {
        CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        CALL(getegid);
    }
    CALL(wait4, -1, &status, 0, 0L);
    listener();
    return 0;
}
