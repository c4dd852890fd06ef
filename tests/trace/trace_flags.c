/* Every flag and constant, by its name: calls that fail, with all bits set and with each value. */
#include "trace.h"

struct action { void *handler; unsigned long flags; void *restorer; unsigned long mask; };

int main(void)
{
    CALL(open, BAD, ~3L);
    CALL(open, BAD, O_DSYNC);
    CALL(open, BAD, O_RDWR);
    CALL(open, BAD, O_DIRECTORY | O_ASYNC | O_DIRECT | O_NOATIME);
    CALL(newfstatat, -1, BAD, BAD, -1);
    CALL(unlinkat, -1, BAD, -1);
    CALL(faccessat2, -1, BAD, -1, -1);
    CALL(linkat, -1, BAD, -1, BAD, -1);
    CALL(fchownat, -1, BAD, 0, 0, -1);
    CALL(utimensat, -1, BAD, BAD, -1);
    CALL(statx, -1, BAD, -1, -1, BAD);
    CALL(execveat, -1, BAD, BAD, BAD, -1);
    CALL(name_to_handle_at, -1, BAD, BAD, BAD, -1);
    CALL(renameat2, -1, BAD, -1, BAD, -1);
    CALL(fallocate, -1, -1, 0L, 0L);
    CALL(mount, BAD, BAD, BAD, 0xffffffffL, BAD);
    CALL(umount2, BAD, -1);
    CALL(close_range, 5, 4, -1);
    CALL(preadv2, -1, BAD, 1L, 0L, 0L, -1);
    CALL(setxattr, BAD, BAD, BAD, 3L, -1);
    CALL(mmap, 1L, 0L, 0xffffffffL, 0xffffffffL, -1, 0L);
    CALL(mmap, 1L, 0L, 0L, 3L, -1, 0L);
    CALL(mmap, 1L, 0L, 1L, 0x11L, -1, 4096L);
    CALL(mmap, 0L, 0L, 3L, 0L, -1, 0L);
    CALL(mmap, 0L, 0L, 3L, 0x40002L | 21L << 26, -1, 0L);
    CALL(mprotect, 1L, 1L, 0xffffffffL);
    CALL(mremap, 1L, 1L, 1L, 0xffffffffL, BAD);
    CALL(mremap, 1L, 0L, 0L, 1L);
    CALL(msync, 1L, 1L, -1);
    CALL(mlockall, -1);
    CALL(mlock2, 1L, 1L, -1);
    for (int advice = 0; advice < 26; advice++)
        CALL(madvise, 1L, 1L, advice);
    CALL(clone, MINUS & ~0x4000L, 0L, 8L, 8L, 8L);
    CALL(clone, MINUS << 33 | 0x10000 | 5, 0L, 0L, 0L, 0L);
    CALL(unshare, -1);
    CALL(setns, -1, -1);
    CALL(wait4, -1, BAD, -1, BAD);
    CALL(wait4, 0, 0L, 11, 0L);
    for (int type = 0; type < 5; type++)
        CALL(waitid, type, -5, 0L, 0, 0L);
    struct action action = {(void *)0x1234, MINUS & ~0x4000000L, 0, 0};
    CALL(rt_sigaction, 99, &action, 0L, 8L);
    action.flags = MINUS;
    CALL(rt_sigaction, 65, &action, 0L, 8L);
    action.mask = MINUS;
    CALL(rt_sigaction, 9, &action, 0L, 8L);
    action.handler = (void *)MINUS;
    CALL(rt_sigaction, 64, &action, 0L, 7L);
    CALL(rt_sigaction, 33, BAD, 0L, 8L);
    for (int bits = 36; bits < 50; bits++) {
        unsigned long mask = (1UL << bits) - 1;
        CALL(rt_sigprocmask, 77, &mask, 0L, 8L);
    }
    for (int how = 0; how < 4; how++)
        CALL(rt_sigprocmask, how, BAD, BAD, 8L);
    CALL(rt_sigprocmask, 0, &action.mask, 0L, 7L);
    struct { void *sp; int flags; size_t size; } stack = {(void *)0x1000, -1, 1};
    CALL(sigaltstack, &stack, 0L);
    stack.flags = 2;
    CALL(sigaltstack, &stack, BAD);
    CALL(sigaltstack, BAD, 0L);
    CALL(signalfd4, -1, BAD, 8L, -1);
    CALL(eventfd2, 0, -1);
    CALL(epoll_create1, -1);
    struct epoll_event event = {.events = -1};
    CALL(epoll_ctl, -1, 1, 0, &event);
    for (int op = 0; op < 5; op++)
        CALL(epoll_ctl, -1, op, 0, BAD);
    struct pollfd request = {99, -1, 0};
    CALL(poll, &request, 1, 0);
    CALL(splice, -1, BAD, -1, BAD, 1L, -1);
    CALL(timer_settime, 0, -1, BAD, BAD);
    CALL(timerfd_create, -1, -1);
    CALL(timerfd_settime, -1, -1, BAD, BAD);
    CALL(clock_nanosleep, 0, -1, BAD, BAD);
    CALL(getrandom, BAD, 1L, -1);
    CALL(pipe2, BAD, -1);
    CALL(dup3, 0, 1, -1);
    for (int clock = -1; clock < 13; clock++)
        CALL(clock_getres, clock, BAD);
    for (int which = 0; which < 4; which++)
        CALL(getitimer, which, BAD);
    for (int whence = 0; whence < 6; whence++)
        CALL(lseek, -1, 0L, whence);
    for (int resource = 0; resource < 17; resource++)
        CALL(getrlimit, resource, BAD);
    for (int who = -2; who < 3; who++)
        CALL(getrusage, who, BAD);
    for (int which = 0; which < 4; which++)
        CALL(getpriority, which, -5);
    for (int policy = 0; policy < 8; policy++)
        CALL(sched_get_priority_max, policy);
    for (int advice = 0; advice < 7; advice++)
        CALL(fadvise64, -1, 0L, 0L, advice);
    for (int command = 0; command < 17; command++)
        CALL(fcntl, -1, command, 0L);
    for (int command = 1024; command < 1035; command++)
        CALL(fcntl, -1, command, 0L);
    for (int request = 0x5401; request < 0x5419; request++)
        CALL(ioctl, -1, request, 0L);
    CALL(ioctl, -1, 0x12345, 5L);
    CALL(ioctl, -1, TCFLSH, TCIOFLUSH);
    CALL(ioctl, -1, TCXONC, TCION);
    CALL(ioctl, -1, FIONREAD, BAD);
    CALL(socket, 1, 1, -1);
    CALL(socket, 99, 1, 99);
    CALL(sendto, -1, "x", 1L, -1, 0L, 0);
    CALL(shutdown, -1, 3);
    CALL(personality, 0x00ffff08);
    CALL(membarrier, -1, -1, -1);
    CALL(kcmp, 0, 0, 77, 0L, 0L);
    return 0;
}
