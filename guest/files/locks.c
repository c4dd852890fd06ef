/*
 * locks -- record locks (process), open-file locks, flock: conflicts, splitting, waiting, deadlock, release
 */
#include "guest.h"
#include <sys/file.h>

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static int set(int fd, int command, int type, long start, long length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &lock);
}

static void show(int fd, long start, long length)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(fd, F_GETLK, &lock))
        out("  F_GETLK: %s\n", errno_name(errno));
    else if (lock.l_type == F_UNLCK)
        out("  %ld+%ld: free\n", start, length);
    else
        out("  %ld+%ld: %s lock at %ld+%ld by %s\n", start, length, lock.l_type == F_RDLCK ? "read" : "write", (long)lock.l_start,
            (long)lock.l_len, lock.l_pid == getppid() ? "the parent" : lock.l_pid == -1 ? "an open file" : "another");
}

#define CHILD(...) reap(FORK(__VA_ARGS__))

int main(void)
{
    int fd = MUST(open("locked", O_RDWR | O_CREAT | O_TRUNC, 0600));
    TRY(set(fd, F_SETLK, F_WRLCK, 0, 100));
    CHILD({ show(fd, 50, 10); show(fd, 100, 0); TRY(set(fd, F_SETLK, F_RDLCK, 99, 5)); TRY(set(fd, F_SETLK, F_RDLCK, 100, 5)); });
    TRY(set(fd, F_SETLK, F_UNLCK, 40, 20));
    CHILD({ show(fd, 40, 20); show(fd, 0, 0); show(fd, 60, 1); });
    TRY(set(fd, F_SETLK, F_RDLCK, 0, 10));
    CHILD({ show(fd, 0, 5); show(fd, 10, 5); TRY(set(fd, F_SETLK, F_RDLCK, 0, 5)); });
    TRY(set(fd, F_SETLK, F_WRLCK, 0, 0));
    CHILD(show(fd, 1000000, 1));
    int other = open("locked", O_RDONLY);
    TRY(set(other, F_SETLK, F_WRLCK, 0, 1));
    close(other);
    out("closing any descriptor of the file drops all its locks of the process\n");
    CHILD(show(fd, 0, 0));

    /* Waiting. */
    int pipes[2];
    char byte;
    MUST(pipe(pipes));
    pid_t child = FORK({
        MUST(set(fd, F_SETLK, F_WRLCK, 0, 1));
        write(pipes[1], "l", 1);
        sleep_ms(50);
        out("child unlocks\n");
        set(fd, F_SETLK, F_UNLCK, 0, 1);
        pause();
    });
    read(pipes[0], &byte, 1);
    TRY(set(fd, F_SETLK, F_WRLCK, 0, 1));
    out("%s\n", set(fd, F_SETLKW, F_WRLCK, 0, 1) ? errno_name(errno) : "parent has it");
    kill(child, SIGKILL);
    reap(child);

    /* Deadlock. */
    child = FORK({
        MUST(set(fd, F_SETLK, F_WRLCK, 10, 1));
        write(pipes[1], "l", 1);
        set(fd, F_SETLKW, F_WRLCK, 0, 1);
    });
    read(pipes[0], &byte, 1);
    await_state(child, "S");
    out("a cycle: %s\n", set(fd, F_SETLKW, F_WRLCK, 10, 1) ? errno_name(errno) : "locked");
    set(fd, F_SETLK, F_UNLCK, 0, 0);
    out("%s\n", status_name(reap(child)));

    /* Open-file locks belong to the description. */
    other = open("locked", O_RDWR);
    TRY(set(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
    TRY(set(other, F_OFD_SETLK, F_WRLCK, 5, 10));
    TRY(set(fd, F_SETLK, F_WRLCK, 5, 1));
    show(other, 0, 1);
    close(dup(fd));
    TRY(set(other, F_OFD_SETLK, F_RDLCK, 5, 10));
    CHILD(TRY(set(fd, F_OFD_SETLK, F_UNLCK, 0, 10)));
    TRY(set(other, F_OFD_SETLK, F_RDLCK, 5, 10));
    set(other, F_OFD_SETLK, F_UNLCK, 0, 0);

    TRY(flock(fd, LOCK_EX));
    TRY(flock(other, LOCK_EX | LOCK_NB));
    CHILD(TRY(flock(fd, LOCK_EX | LOCK_NB)));
    TRY(flock(fd, LOCK_SH));
    TRY(flock(other, LOCK_SH | LOCK_NB));
    TRY(flock(fd, LOCK_EX | LOCK_NB));
    TRY(flock(other, LOCK_UN));
    TRY(flock(fd, 77));
    TRY(flock(99, LOCK_EX));
    int read_only = open("locked", O_RDONLY);
    TRY(set(read_only, F_SETLK, F_WRLCK, 0, 1));
    TRY(set(read_only, F_SETLK, F_RDLCK, -1, 1));
    TRY(set(read_only, F_SETLK, 9, 0, 1));
    TRY(set(pipes[0], F_SETLK, F_RDLCK, 0, 1));
    unlink("locked");

    /* A FIFO is a file with a name like any other. */
    MUST(mkfifo("fifo", 0600));
    int fifo = MUST(open("fifo", O_RDWR));
    TRY(set(fifo, F_SETLK, F_WRLCK, 0, 0));
    CHILD({ fifo = open("fifo", O_RDWR); TRY(set(fifo, F_SETLK, F_WRLCK, 0, 0)); });
    close(open("fifo", O_RDWR));
    CHILD({ fifo = open("fifo", O_RDWR); TRY(set(fifo, F_SETLK, F_WRLCK, 0, 0)); });
    TRY(flock(fifo, LOCK_EX));
    close(fifo);
    fifo = MUST(open("fifo", O_RDWR));
    TRY(flock(fifo, LOCK_EX | LOCK_NB));
    unlink("fifo");
    return 0;
}
