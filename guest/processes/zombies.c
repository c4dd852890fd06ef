/*
 * zombies -- what is left of a process that has ended but was not waited for
 */
#include "guest.h"

int main(void)
{
    char path[64], text[512];
    pid_t pid = FORK(_exit(3));
    await_state(pid, "Z");
    TRY(kill(pid, 0));
    TRY(kill(pid, SIGKILL));
    TRY(kill(pid, SIGCONT));
    expect(getpgid(pid) == getpgrp(), "it is still in its group");
    TRY(setpgid(pid, pid));
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY);
    out("cmdline has %zd bytes\n", read(fd, text, sizeof text));
    close(fd);
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    out("exe: %s\n", readlink(path, text, sizeof text) < 0 ? errno_name(errno) : "link");
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, "State", 5) == 0)
            out("%s", text);
    if (file)
        fclose(file);
    out("%s\n", status_name(reap(pid)));
    TRY(kill(pid, 0));
    out("stat: %c\n", task_state(pid));

    /* SIGCHLD ignored, or SA_NOCLDWAIT: no zombie at all. */
    handle(SIGCHLD, SIG_IGN, 0);
    pid = FORK(_exit(0));
    TRY(waitpid(pid, NULL, 0));
    for (int i = 0; i < 5; i++)
        FORK(sleep_ms(5 * i));
    TRY(wait(NULL));
    handle(SIGCHLD, SIG_DFL, SA_NOCLDWAIT);
    pid = FORK(_exit(0));
    TRY(waitpid(pid, NULL, 0));
    handle(SIGCHLD, SIG_DFL, 0);
    /* A disposition set later does not remove a zombie that is there. */
    pid = FORK(_exit(0));
    await_state(pid, "Z");
    handle(SIGCHLD, SIG_IGN, 0);
    TRY_OK(waitpid(pid, NULL, 0));
    return wrong;
}
