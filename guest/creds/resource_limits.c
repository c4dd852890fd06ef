/*
 * resource_limits -- getrlimit, setrlimit, prlimit: rules for soft and hard, and what the limits stop
 */
#include "guest.h"

#define prlimit_(pid, resource, new, old) syscall(SYS_prlimit64, pid, resource, new, old)

int main(void)
{
    struct rlimit limit, old;
    char buffer[100];
    TRY(getrlimit(RLIMIT_NOFILE, &limit));
    TRY(syscall(SYS_getrlimit, 99, &limit));
    limit = (struct rlimit){10, 5};
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    reap(FORK({
        limit = (struct rlimit){20, 30};
        TRY(setrlimit(RLIMIT_NOFILE, &limit));
        if (geteuid() == 0)
            setresuid(1000, 1000, 1000);
        limit = (struct rlimit){25, 30};
        TRY(setrlimit(RLIMIT_NOFILE, &limit));
        limit = (struct rlimit){31, 31};
        TRY(setrlimit(RLIMIT_NOFILE, &limit));
        limit = (struct rlimit){10, 20};
        TRY(prlimit_(0, RLIMIT_NOFILE, &limit, &old));
        out("old %lu %lu\n", (unsigned long)old.rlim_cur, (unsigned long)old.rlim_max);
        int fds = 0;
        while (open("/dev/null", O_RDONLY) >= 0)
            fds++;
        out("opened %d more, then %s\n", fds, errno_name(errno));
        TRY(dup(0));
        TRY(dup2(0, 10));
        TRY(dup2(0, 9));
        TRY(fcntl(0, F_DUPFD, 10));
        TRY(pipe((int[2]){0}));
    }));
    reap(FORK({
        signal(SIGXFSZ, SIG_IGN);
        limit = (struct rlimit){50, 50};
        setrlimit(RLIMIT_FSIZE, &limit);
        int fd = open("limited", O_CREAT | O_RDWR | O_TRUNC, 0600);
        memset(buffer, 'x', sizeof buffer);
        TRY(write(fd, buffer, 100));
        TRY(write(fd, buffer, 1));
        TRY(ftruncate(fd, 51));
        TRY(pwrite(fd, buffer, 1, 49));
        signal(SIGXFSZ, SIG_DFL);
        limit = (struct rlimit){0, 0};
        setrlimit(RLIMIT_CORE, &limit);
        unlink("limited");
    }));
    struct rlimit none = {0, 0};
    pid_t child = FORK({
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_FSIZE, &none);
        int fd = open("limited", O_CREAT | O_RDWR | O_TRUNC, 0600);
        unlink("limited");
        write(fd, buffer, 1);
    });
    out("SIGXFSZ: %s\n", status_name(reap(child)));
    reap(FORK({
        limit = (struct rlimit){64 << 20, 64 << 20};
        setrlimit(RLIMIT_AS, &limit);
        TRY(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        TRY_OK(mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    }));
    reap(FORK({
        if (geteuid() == 0)
            setresuid(100000 + getpid(), 100000 + getpid(), 100000 + getpid());
        limit = (struct rlimit){3, 3};
        setrlimit(RLIMIT_NPROC, &limit);
        int made = 0;
        pid_t pid;
        pid_t pids[10];
        while ((pid = fork()) > 0)
            pids[made++] = pid;
        if (pid == 0)
            for (;;)
                pause();
        out("RLIMIT_NPROC 3: %d children, then %s\n", made, errno_name(errno));
        while (made > 0)
            kill(pids[--made], SIGKILL);
        while (wait(NULL) > 0)
            ;
    }));
    child = FORK(pause());
    limit = (struct rlimit){7, 8};
    TRY(prlimit_(child, RLIMIT_NOFILE, &limit, NULL));
    TRY(prlimit_(child, RLIMIT_NOFILE, NULL, &old));
    out("%lu %lu\n", (unsigned long)old.rlim_cur, (unsigned long)old.rlim_max);
    TRY(prlimit_(999999, RLIMIT_NOFILE, NULL, &old));
    kill(child, SIGKILL);
    reap(child);
    return 0;
}
