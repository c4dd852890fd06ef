/*
 * pipe_processes -- pipes between processes: blocking, end of file, SIGPIPE, atomic writes, interrupted writes
 */
#include "guest.h"
#include <sys/ioctl.h>

static char buffer[1 << 18];
static volatile int caught;

static void on_signal(int number)
{
    caught = number;
}

static void flows(void)
{
    int fds[2];
    long total = 0, got;
    MUST(pipe(fds));
    pid_t child = FORK({
        close(fds[0]);
        for (int i = 0; i < 10; i++) {
            memset(buffer, i, 30000);
            if (write(fds[1], buffer, 30000) != 30000)
                _exit(1);
        }
        _exit(3);
    });
    close(fds[1]);
    while ((got = read(fds[0], buffer, 7777)) > 0)
        total += got;
    out("%ld bytes, writer %s\n", total, status_name(reap(child)));
    close(fds[0]);
}

static void atomic(void)
{
    enum { WRITERS = 4, RECORDS = 200, SIZE = 512 };
    int fds[2], mixed = 0, count = 0;
    char record[SIZE];
    MUST(pipe(fds));
    for (int w = 0; w < WRITERS; w++)
        FORK({
            memset(record, 'a' + w, SIZE);
            for (int i = 0; i < RECORDS; i++)
                write(fds[1], record, SIZE);
        });
    close(fds[1]);
    for (;;) {
        int have = 0;
        while (have < SIZE) {
            int got = read(fds[0], record + have, SIZE - have);
            if (got <= 0)
                break;
            have += got;
        }
        if (have < SIZE)
            break;
        for (int i = 1; i < SIZE; i++)
            mixed |= record[i] != record[0];
        count++;
    }
    while (wait(NULL) > 0)
        ;
    out("%d records, %s\n", count, mixed ? "mixed" : "each whole");
    close(fds[0]);
}

static void broken(void)
{
    int fds[2];
    MUST(pipe(fds));
    close(fds[0]);
    pid_t child = FORK(write(fds[1], "x", 1));
    out("writer without reader: %s\n", status_name(reap(child)));
    signal(SIGPIPE, on_signal);
    caught = 0;
    TRY(write(fds[1], "x", 1));
    out("caught %s\n", signal_name(caught));
    close(fds[1]);

    /* The reader leaves in the middle of a long write: the short count, and the signal all the same. */
    MUST(pipe(fds));
    pid_t reader = FORK({
        close(fds[1]);
        read(fds[0], buffer, 1);
        sleep_ms(20);
    });
    close(fds[0]);
    caught = 0;
    TRY(write(fds[1], buffer, 100000));
    out("caught %s\n", signal_name(caught));
    reap(reader);
    close(fds[1]);
    signal(SIGPIPE, SIG_DFL);
}

static void interrupted(int flags)
{
    int fds[2];
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    MUST(pipe(fds));
    struct itimerval soon = {{0, 0}, {0, 30000}};
    pid_t helper = FORK({
        sleep_ms(100);
        write(fds[1], "z", 1);
    });
    setitimer(ITIMER_REAL, &soon, NULL);
    caught = 0;
    long got = read(fds[0], buffer, 1);
    out("read with flags %#x: %ld %s, caught %s\n", flags, got, got < 0 ? errno_name(errno) : "", signal_name(caught));
    setitimer(ITIMER_REAL, &soon, NULL);
    caught = 0;
    got = write(fds[1], buffer, 70000);
    out("long write: %ld, caught %s\n", got, signal_name(caught));
    setitimer(ITIMER_REAL, &soon, NULL);
    caught = 0;
    if (!(flags & SA_RESTART)) {
        got = write(fds[1], buffer, 10);
        out("write to a full pipe: %ld %s, caught %s\n", got, errno_name(errno), signal_name(caught));
    }
    kill(helper, SIGKILL);
    reap(helper);
    close(fds[0]);
    close(fds[1]);
}

static void inherited(void)
{
    int fds[2];
    MUST(pipe(fds));
    pid_t holder = FORK(sleep_ms(60));
    close(fds[1]);
    long start = now_ms();
    TRY(read(fds[0], buffer, 1));
    expect(now_ms() - start >= 40, "end of file only when the last writer is gone");
    reap(holder);
    close(fds[0]);
}

int main(void)
{
    flows();
    atomic();
    broken();
    interrupted(0);
    interrupted(SA_RESTART);
    inherited();
    return wrong;
}
