/*
 * dumpable -- changing ids makes a process non-dumpable; who may then look at it
 * guest: needs=root
 */
#include "guest.h"
#include <sys/prctl.h>

static void show(const char *when) { out("%s: %d\n", when, prctl(PR_GET_DUMPABLE)); }

int main(int argc, char **argv)
{
    if (argc > 1) {
        show("  after exec");
        return 0;
    }
    NEED_ROOT;
    show("at start");
    reap(FORK({
        setresuid(-1, 1000, -1);
        show("effective uid changed");
        prctl(PR_SET_DUMPABLE, 1);
        setresuid(1000, -1, -1);
        show("real uid changed");
    }));
    reap(FORK({
        syscall(SYS_setfsuid, 1000);
        show("fsuid changed");
    }));
    reap(FORK({
        setresgid(-1, 1000, -1);
        show("effective gid changed");
    }));
    reap(FORK({
        setresuid(-1, -1, 1000);
        show("saved uid changed");
    }));
    reap(FORK({
        setresuid(1000, 1000, 1000);
        show("all uids changed");
        int fd = open("/proc/self/exe", O_PATH);
        (void)fd;
    }));
    /* kcmp-like look at another process: readlink of its exe needs the same ids and dumpable. */
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    pid_t target = FORK({
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        write(pipes[1], "1", 1);
        sleep_ms(60);
        prctl(PR_SET_DUMPABLE, 1);
        write(pipes[1], "2", 1);
        pause();
    });
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", target);
    for (int i = 0; i < 2; i++) {
        read(pipes[0], &byte, 1);
        reap(FORK({
            char link[PATH_MAX];
            out("as root: %s\n", readlink(path, link, sizeof link) < 0 ? errno_name(errno) : "allowed");
            setresgid(1000, 1000, 1000);
            setresuid(1000, 1000, 1000);
            prctl(PR_SET_DUMPABLE, 1);
            out("as the same user: %s\n", readlink(path, link, sizeof link) < 0 ? errno_name(errno) : "allowed");
        }));
        reap(FORK({
            char link[PATH_MAX];
            setresgid(1001, 1001, 1001);
            setresuid(1001, 1001, 1001);
            out("as another user: %s\n", readlink(path, link, sizeof link) < 0 ? errno_name(errno) : "allowed");
        }));
    }
    kill(target, SIGKILL);
    reap(target);
    return 0;
}
