/*
 * stop_continue -- job control without a terminal: stops, continues, what each does to pending signals and to the clock
 */
#include "guest.h"

static int conts, pipes[2];
static void on_cont(int number)
{
    conts++;
    write(pipes[1], "c", 1);
}
static void on_tstp(int number) {}

static int event(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, WUNTRACED | WCONTINUED);
    return status;
}

int main(void)
{
    char byte;
    MUST(pipe(pipes));
    setsid();
    pid_t pid = FORK({
        setpgid(0, 0);
        handle(SIGCONT, on_cont, 0);
        write(pipes[1], "r", 1);
        while (conts < 5)
            pause();
        _exit(10 + conts);
    });
    read(pipes[0], &byte, 1);
    int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (int i = 0; i < 4; i++) {
        kill(pid, stops[i]);
        out("%s: ", signal_name(stops[i]));
        out("%s", status_name(event(pid)));
        out(", then %s\n", (kill(pid, SIGCONT), status_name(event(pid))));
        read(pipes[0], &byte, 1); /* the handler has run: the next SIGCONT is a new one */
    }
    kill(pid, SIGCONT);
    out("handler for SIGCONT ran each time: %s\n", status_name(reap(pid)));

    /* A stopped process takes no other signal until continued, but SIGKILL. */
    pid = FORK({
        setpgid(0, 0);
        write(pipes[1], "r", 1);
        for (;;)
            pause();
    });
    read(pipes[0], &byte, 1);
    kill(pid, SIGSTOP);
    event(pid);
    kill(pid, SIGTERM);
    sleep_ms(20);
    out("stopped with SIGTERM pending: state %c\n", task_state(pid));
    kill(pid, SIGCONT);
    int status = event(pid);
    out("continued: %s\n", WIFCONTINUED(status) ? status_name(reap(pid)) : status_name(status));
    pid = FORK(raise(SIGSTOP));
    event(pid);
    kill(pid, SIGKILL);
    out("SIGKILL while stopped: %s\n", status_name(reap(pid)));

    /* SIGCONT removes pending stops; a stop removes a pending SIGCONT. */
    pid = FORK({
        setpgid(0, 0);
        handle(SIGCONT, on_cont, 0);
        sigset_t set;
        sigset_t pending;
        sigemptyset(&set);
        sigaddset(&set, SIGTSTP);
        sigaddset(&set, SIGCONT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGTSTP);
        sigpending(&pending);
        out("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
        raise(SIGCONT);
        sigpending(&pending);
        out("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
        raise(SIGTSTP);
        sigpending(&pending);
        out("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    });
    out("%s\n", status_name(reap(pid)));

    /* A caught SIGTSTP does not stop; an ignored one neither. */
    pid = FORK({
        setpgid(0, 0);
        handle(SIGTSTP, on_tstp, 0);
        raise(SIGTSTP);
        handle(SIGTSTP, SIG_IGN, 0);
        raise(SIGTSTP);
        _exit(3);
    });
    out("caught and ignored SIGTSTP: %s\n", status_name(event(pid)));

    /* All threads stop: a counter in another thread stands still. */
    volatile long *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid = FORK({
        setpgid(0, 0);
        for (int i = 0; i < 3; i++)
            FORK(pause()); /* children of it are not stopped by a signal to it alone */
        write(pipes[1], "r", 1);
        for (;;) {
            ++*counter;
            sched_yield();
        }
    });
    read(pipes[0], &byte, 1);
    while (*counter < 10)
        sched_yield();
    kill(pid, SIGSTOP);
    event(pid);
    long before = *counter;
    sleep_ms(30);
    out("counter moved while stopped: %s\n", *counter == before ? "no" : "yes");
    kill(pid, SIGCONT);
    event(pid);
    while (*counter == before)
        sched_yield();
    out("and moves again\n");
    kill(-pid, SIGKILL);
    out("%s\n", status_name(reap(pid)));
    return 0;
}
