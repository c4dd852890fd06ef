/*
 * sessions -- sessions and process groups: who may move whom, and kill by group
 */
#include "guest.h"

static volatile int count;
static int heard[2];
static void on_usr1(int number)
{
    count++;
    write(heard[1], "h", 1);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        for (;;)
            pause();
    int to_parent[2], to_child[2], status;
    char byte;
    /* The experiment runs in a session of its own, whoever started the program. */
    pid_t experiment = MUST(fork());
    if (experiment) {
        status = reap(experiment);
        out("%s\n", status_name(status));
        return !WIFEXITED(status) || WEXITSTATUS(status);
    }
    setsid();
    MUST(pipe(to_parent));
    MUST(pipe(to_child));
    MUST(pipe(heard));
    handle(SIGUSR1, on_usr1, SA_RESTART);
    pid_t me = getpid();
    expect(getsid(0) == me && getpgrp() == me, "a session and a group of its own");
    TRY(setsid());
    TRY(setpgid(0, 0));
    TRY(setpgid(0, -1));
    TRY(setpgid(-1, 0));
    TRY(setpgid(1, 0));
    TRY(setpgid(999999, 0));
    TRY(getpgid(999999));
    TRY(getsid(999999));
    TRY(getpgid(-1));

    pid_t child = FORK({
        expect(getpgrp() == me, "the child is in our group");
        TRY(setpgid(0, me));
        TRY(setpgid(0, 999999));
        TRY(setpgid(me, 0));
        TRY(setpgid(0, 0));
        expect(getpgrp() == getpid(), "a group of its own");
        TRY(setsid());
        TRY(setpgid(0, me));
        FORK({
            TRY_OK(setsid());
            expect(getsid(0) == getpid() && getpgrp() == getpid(), "a new session and group");
            TRY(setpgid(0, me));
            TRY(setsid());
        });
        wait(NULL);
        write(to_parent[1], "x", 1);
        read(to_child[0], &byte, 1);
        _exit(count);
    });
    read(to_parent[0], &byte, 1);
    expect(getsid(child) == me, "getsid of the child");
    expect(getpgid(child) == me, "getpgid of the child");
    TRY(setpgid(child, child));
    TRY(kill(-child, SIGUSR1));
    read(heard[0], &byte, 1); /* so that the next one is not merged with it */
    TRY(kill(0, 0));
    TRY(setpgid(child, me));
    TRY(kill(-me, SIGUSR1));
    out("own handler ran %d times\n", count);
    write(to_child[1], "x", 1);
    out("child counted: %s\n", status_name(reap(child)));
    TRY(kill(-999999, 0));
    TRY(kill(999999, 0));
    TRY(kill(-child, 0));

    /* After exec a parent may no longer move the child. */
    child = FORK({
        execl("/proc/self/exe", "again", "pause", (char *)NULL);
    });
    for (int i = 0; i < 500; i++) {
        char path[64];
        char comm[16] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", child);
        int fd = open(path, O_RDONLY);
        read(fd, comm, 15);
        close(fd);
        if (strcmp(comm, "exe\n") == 0)
            break;
        sleep_ms(5);
    }
    TRY(setpgid(child, child));
    kill(child, SIGKILL);
    out("child: %s\n", status_name(reap(child)));

    /* The group exists as long as any member does, zombies included. */
    child = FORK({
        setpgid(0, 0);
        FORK({
            write(to_parent[1], "x", 1);
            pause();
        });
        _exit(0);
    });
    read(to_parent[0], &byte, 1);
    await_state(child, "Z");
    reap(child);
    TRY(kill(-child, 0));
    TRY(kill(child, 0));
    TRY(kill(-child, SIGKILL));
    return wrong;
}
