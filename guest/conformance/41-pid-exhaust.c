/*
 * 41-pid-exhaust -- a pid namespace runs out of numbers, one is given back, and fork succeeds again
 * guest: needs=root libc=musl
 *
 * Numbers below 300 are not given out again after the first round, so the last one is freed.  pid_max belongs to the pid namespace since Linux 6.14; older hosts are not touched
 * (the machine has it whatever release it shows).
 */
#include "scenario.h"

#include <sys/utsname.h>

static int init(void)
{
    int fd = open("/proc/sys/kernel/pid_max", O_WRONLY);
    say("pid-max", "%s", fd == -1 ? errno_name(errno) : result(write(fd, "301\n", 4)));
    if (fd == -1)
        return 1;
    close(fd);
    pid_t last = 0, pid;
    int forks = 0;
    while (forks < 400 && (pid = fork()) > 0) {
        last = pid;
        forks++;
    }
    if (forks < 400 && pid == 0)
        sleep_for_ever();
    say("forks", "%d", forks);
    say("error", "%s", errno_name(errno));
    say("again", "%s", result(fork()));
    MUST(kill(last, SIGKILL));
    reap(last);
    pid = fork();
    if (pid == 0)
        sleep_for_ever();
    say("after-reap", "%s", result(pid));
    say("then", "%s", result(fork()));
    return 0;
}

static void scenario(void)
{
    struct utsname system;
    int major = 0, minor = 0;
    uname(&system);
    sscanf(system.release, "%d.%d", &major, &minor);
    int machine = strstr(system.release, "tgid") != NULL;
    if (!machine && (major < 6 || (major == 6 && minor < 14)))
        skip("pid_max is global before Linux 6.14");
    WAIT("init", spawn_init("I", init), 0);
}
