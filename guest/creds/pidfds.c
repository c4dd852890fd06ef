/*
 * pidfds -- pidfd_open, pidfd_send_signal, poll, waitid and pidfd_getfd
 */
#include "guest.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static int handled;
static void on_usr1(int number, siginfo_t *info, void *context) { handled += info->si_code == SI_USER ? 1 : info->si_code == SI_QUEUE ? 100 : 1000; }

int main(void)
{
    int pipes[2], ready[2];
    char byte = 0;
    MUST(pipe(pipes));
    MUST(pipe(ready));
    handle_info(SIGUSR1, on_usr1, 0);
    mask(SIG_BLOCK, SIGUSR1);
    pid_t child = FORK({
        int secret = memfd_create("secret", 0);
        dup2(secret, 50);
        write(50, "hidden", 6);
        write(ready[1], "r", 1);
        sigset_t none;
        sigemptyset(&none);
        while (handled < 2)
            sigsuspend(&none);
        read(pipes[0], &byte, 1);
        _exit(handled);
    });
    read(ready[0], &byte, 1);
    int fd = TRY(syscall(SYS_pidfd_open, child, 0));
    expect(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec");
    struct pollfd wait_for = {fd, POLLIN, 0};
    TRY(poll(&wait_for, 1, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
    int theirs = TRY(syscall(SYS_pidfd_getfd, fd, 50, 0));
    char text[16] = "";
    pread(theirs, text, 15, 0);
    out("descriptor 50 of the child holds '%s'\n", text);
    TRY(syscall(SYS_pidfd_getfd, fd, 51, 0));
    TRY(syscall(SYS_pidfd_getfd, fd, 50, 1));
    sleep_ms(10);
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
    info.si_signo = SIGUSR2;
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, pipes[0], SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0x100));
    siginfo_t result;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    TRY(waitid((idtype_t)3, fd, &result, WEXITED));
    fcntl(fd, F_SETFL, 0);
    write(pipes[1], "x", 1);
    TRY(poll(&wait_for, 1, 5000));
    out("revents %#x\n", wait_for.revents & POLLIN);
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(waitid((idtype_t)3, fd, &result, WEXITED));
    out("handled in the child: %d\n", result.si_status);
    TRY(poll(&wait_for, 1, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(waitid((idtype_t)3, fd, &result, WEXITED));
    TRY(syscall(SYS_pidfd_getfd, fd, 0, 0));
    TRY(syscall(SYS_pidfd_open, child, 0));
    TRY(syscall(SYS_pidfd_open, 0, 0));
    TRY(syscall(SYS_pidfd_open, -1, 0));
    TRY(syscall(SYS_pidfd_open, getpid(), 0x10000));
    TRY(read(fd, text, 1));
    TRY(write(fd, text, 1));
    return wrong;
}
