/*
 * clone3_forms -- clone3(2): sizes of its argument, CLEAR_SIGHAND, pidfd, chosen thread ids, and what it refuses
 * guest: needs=root
 */
#include "guest.h"
#include "rawclone.h"

static void handler(int number) {}

static pid_t start(struct clone3_arguments *arguments, size_t size, int (*body)(void))
{
    long pid = raw_clone3(arguments, size);
    if (pid == 0)
        _exit(body());
    return pid;
}

static int nothing(void) { return 3; }

static int dispositions(void)
{
    struct sigaction usr1, usr2;
    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGUSR2, NULL, &usr2);
    return (usr1.sa_handler == SIG_DFL) | (usr2.sa_handler == SIG_IGN) << 1;
}

#define REFUSED(...)                                                             \
    do {                                                                         \
        struct clone3_arguments refused = {__VA_ARGS__};                         \
        long refused_pid = start(&refused, sizeof refused, nothing);             \
        out("{%s}: %s\n", #__VA_ARGS__, refused_pid < 0 ? errno_name(errno) : "made a child"); \
        if (refused_pid > 0)                                                     \
            reap(refused_pid);                                                   \
    } while (0)

int main(void)
{
    struct clone3_arguments plain = {.exit_signal = SIGCHLD};
    pid_t pid = MUST(start(&plain, sizeof plain, nothing));
    out("plain: %s\n", status_name(reap(pid)));
    pid = MUST(start(&plain, 64, nothing));
    out("first version (64 bytes): %s\n", status_name(reap(pid)));
    TRY(raw_clone3(&plain, 56));
    TRY(raw_clone3(&plain, 100000));
    TRY(raw_clone3((void *)8, 64));
    struct {
        struct clone3_arguments known;
        uint64_t future;
    } larger = {plain, 0};
    pid = MUST(start(&larger.known, sizeof larger, nothing));
    out("longer with zeros: %s\n", status_name(reap(pid)));
    larger.future = 1;
    TRY(raw_clone3(&larger.known, sizeof larger));

    handle(SIGUSR1, handler, 0);
    handle(SIGUSR2, SIG_IGN, 0);
    pid = MUST(start(&plain, sizeof plain, dispositions));
    out("dispositions inherited: %s\n", status_name(reap(pid)));
    struct clone3_arguments cleared = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    pid = MUST(start(&cleared, sizeof cleared, dispositions));
    out("CLONE_CLEAR_SIGHAND resets handlers, keeps SIG_IGN: %s\n", status_name(reap(pid)));

    int pidfd = -1;
    struct clone3_arguments with_fd = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)&pidfd, .exit_signal = SIGCHLD};
    pid = MUST(start(&with_fd, sizeof with_fd, nothing));
    siginfo_t info;
    TRY(waitid((idtype_t)3 /* P_PIDFD */, pidfd, &info, WEXITED));
    expect(info.si_pid == pid && info.si_status == 3, "waitid through the pidfd");

    if (geteuid() == 0) {
        pid_t wanted = pid; /* just reaped: free again */
        struct clone3_arguments chosen = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
        pid = start(&chosen, sizeof chosen, nothing);
        expect(pid == wanted, "set_tid gives the chosen pid");
        if (pid > 0) {
            out("a taken pid: %s\n", start(&chosen, sizeof chosen, nothing) < 0 ? errno_name(errno) : "works");
            reap(pid);
        }
        chosen.set_tid_size = 2;
        out("more numbers than namespaces: %s\n", start(&chosen, sizeof chosen, nothing) < 0 ? errno_name(errno) : "works");
        wanted = -1;
        chosen.set_tid_size = 1;
        out("pid -1: %s\n", start(&chosen, sizeof chosen, nothing) < 0 ? errno_name(errno) : "works");
    } else
        out("skipped: set_tid needs root\n");

    REFUSED(.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD);
    REFUSED(.flags = SIGCHLD);
    REFUSED(.exit_signal = 65);
    REFUSED(.exit_signal = 0x100 | SIGCHLD);
    REFUSED(.flags = 1ULL << 40, .exit_signal = SIGCHLD);
    REFUSED(.exit_signal = SIGCHLD, .stack_size = 4096);
    REFUSED(.exit_signal = SIGCHLD, .stack = (uint64_t)&pid);
    REFUSED(.flags = CLONE_DETACHED, .exit_signal = SIGCHLD);
    REFUSED(.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD);
    REFUSED(.exit_signal = SIGCHLD, .set_tid_size = 1);
    REFUSED(.exit_signal = 0);
    TRY(waitpid(-1, NULL, __WALL));
    return wrong;
}
