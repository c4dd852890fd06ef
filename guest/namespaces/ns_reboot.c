/*
 * ns_reboot -- reboot(2) in a pid namespace ends its init by SIGHUP or SIGINT, whoever of the namespace calls it
 * guest: needs=root native=no
 */
#include "guest.h"

#define MAGIC1 0xfee1dead
#define MAGIC2 672274793

static int by_child;

static long do_reboot(unsigned command) { return syscall(SYS_reboot, MAGIC1, MAGIC2, command, NULL); }

static int end_of(unsigned command)
{
    MUST(unshare(CLONE_NEWPID));
    pid_t pid = FORK(if (getpid() != 1) _exit(98); if (by_child) { FORK(do_reboot(command)); pause(); } do_reboot(command); _exit(97));
    return reap(pid);
}

static void try_command(const char *what, unsigned command, int expected)
{
    for (by_child = 0; by_child < 2; by_child++) {
        pid_t pid = FORK(int status = end_of(command); _exit(WIFSIGNALED(status) ? WTERMSIG(status) : 100 + WEXITSTATUS(status)));
        int code = WEXITSTATUS(reap(pid));
        expect(code == expected, "%s by %s: %s", what, by_child ? "a child" : "init", code > 100 ? "no end" : signal_name(code));
    }
}

int main(void)
{
    try_command("restart", 0x01234567, SIGHUP);
    try_command("restart with a string", 0xA1B2C3D4, SIGHUP);
    try_command("halt", 0xCDEF0123, SIGINT);
    try_command("power off", 0x4321FEDC, SIGINT);
    by_child = 0;
    pid_t pid = FORK(int status = end_of(0x12345); _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1));
    expect(WEXITSTATUS(reap(pid)) == 97, "an unknown command does nothing");
    return wrong;
}
