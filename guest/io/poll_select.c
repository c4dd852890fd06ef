/*
 * poll_select -- poll, ppoll, select, pselect: events, time-outs, signal masks
 */
#include "guest.h"
#include <sys/select.h>

static volatile int caught;

static void on_signal(int number)
{
    caught = number;
}

int main(void)
{
    int fds[2];
    MUST(pipe(fds));
    struct pollfd one = {fds[0], POLLIN, 0};
    long start = now_ms();
    TRY(poll(&one, 1, 50));
    expect(now_ms() - start >= 49, "poll waited");
    TRY(poll(NULL, 0, 0));
    TRY(poll((struct pollfd *)8, 1, 0));
    struct pollfd mixed[4] = {{-1, POLLIN, 7}, {99, POLLIN, 0}, {fds[0], POLLIN, 0}, {fds[1], POLLOUT | POLLIN, 0}};
    TRY(poll(mixed, 4, -1));
    out("%x %x %x %x\n", mixed[0].revents, mixed[1].revents, mixed[2].revents, mixed[3].revents);
    int null = MUST(open("/dev/null", O_RDWR));
    int file = MUST(open("/proc/self/exe", O_RDONLY));
    struct pollfd files[2] = {{null, 0xffff, 0}, {file, 0xffff, 0}};
    TRY(poll(files, 2, 0));
    out("%x %x\n", files[0].revents, files[1].revents);

    out("-- woken by another process\n");
    pid_t child = FORK({
        sleep_ms(30);
        write(fds[1], "x", 1);
    });
    TRY(poll(&one, 1, -1));
    out("%x\n", one.revents);
    reap(child);
    char byte;
    MUST(read(fds[0], &byte, 1));

    out("-- signals and masks\n");
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigset_t blocked, empty, now;
    sigemptyset(&blocked);
    sigemptyset(&empty);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGUSR1);
    struct timespec limit = {5, 0};
    TRY(ppoll(&one, 1, &limit, &empty));
    out("caught %s\n", signal_name(caught));
    sigprocmask(SIG_BLOCK, NULL, &now);
    out("blocked again %d\n", sigismember(&now, SIGUSR1));
    caught = 0;
    raise(SIGUSR1);
    limit = (struct timespec){0, 0};
    TRY(ppoll(&one, 1, &limit, &empty));
    raise(SIGUSR1);
    TRY(pselect(0, NULL, NULL, NULL, &limit, &empty));
    raise(SIGUSR1);
    write(fds[1], "y", 1);
    caught = 0;
    TRY(ppoll(&one, 1, NULL, &empty));
    out("an event comes first: caught %d\n", caught);
    sigset_t pending;
    sigpending(&pending);
    out("still pending %d\n", sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &empty, NULL);
    out("caught %s\n", signal_name(caught));
    MUST(read(fds[0], &byte, 1));
    struct itimerval soon = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    TRY(poll(&one, 1, 1000));
    setitimer(ITIMER_REAL, &soon, NULL);
    TRY(select(0, NULL, NULL, NULL, NULL));
    limit = (struct timespec){0, 1000000000};
    TRY(ppoll(&one, 1, &limit, NULL));
    limit = (struct timespec){-1, 0};
    TRY(ppoll(&one, 1, &limit, NULL));
    TRY(syscall(SYS_ppoll, &one, 1, NULL, &empty, 4));

    out("-- a stop and continuation does not end poll\n");
    pid_t sleeper = FORK({
        struct pollfd mine = {fds[0], POLLIN, 0};
        int found = poll(&mine, 1, 150);
        _exit(found == 0 ? 7 : 8);
    });
    sleep_ms(20);
    kill(sleeper, SIGSTOP);
    waitpid(sleeper, NULL, WUNTRACED);
    kill(sleeper, SIGCONT);
    out("%s\n", status_name(reap(sleeper)));

    out("-- select\n");
    fd_set reading, writing, special;
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_ZERO(&special);
    FD_SET(fds[0], &reading);
    FD_SET(fds[1], &writing);
    FD_SET(fds[1], &special);
    struct timeval wait = {1, 500000};
    TRY(select(fds[1] + 1, &reading, &writing, &special, &wait));
    out("reading %d writing %d special %d\n", FD_ISSET(fds[0], &reading), FD_ISSET(fds[1], &writing), FD_ISSET(fds[1], &special));
    FD_SET(fds[0], &reading);
    wait = (struct timeval){0, 30000};
    TRY(select(fds[0] + 1, &reading, NULL, NULL, &wait));
    out("left %ld.%06ld, reading %d\n", (long)wait.tv_sec, (long)wait.tv_usec, FD_ISSET(fds[0], &reading));
    FD_SET(fds[1] + 20, &reading);
    TRY(select(fds[1] + 21, &reading, NULL, NULL, &wait));
    TRY(select(-1, NULL, NULL, NULL, &wait));
    wait = (struct timeval){-1, 0};
    TRY(select(0, NULL, NULL, NULL, &wait));
    wait = (struct timeval){0, 2000};
    TRY(select(0, NULL, NULL, NULL, &wait));
    FD_ZERO(&reading);
    FD_SET(fds[0], &reading);
    close(fds[1]);
    TRY(select(fds[0] + 1, &reading, NULL, NULL, NULL));
    TRY(poll(&one, 1, -1));
    out("%x\n", one.revents);
    return wrong;
}
