/*
 * orphaned_group -- a stopped process group that becomes orphaned gets SIGHUP and SIGCONT (POSIX, _exit)
 */
#include "guest.h"

static int pipes[2];
static void on_signal(int number)
{
    out("member got %s\n", signal_name(number));
    if (number == SIGCONT) {
        write(pipes[1], "c", 1);
        _exit(0);
    }
}

int main(void)
{
    MUST(pipe(pipes));
    pid_t child = FORK({
        pid_t member = FORK({
            setpgid(0, 0);
            sigset_t all;
            struct sigaction action = {.sa_handler = on_signal};
            sigfillset(&all);
            action.sa_mask = all;
            sigaction(SIGHUP, &action, NULL);
            sigaction(SIGCONT, &action, NULL);
            raise(SIGSTOP);
            for (;;)
                pause();
        });
        await_state(member, "T");
        out("the member is stopped, its parent ends\n");
    });
    reap(child);
    char byte;
    close(pipes[1]);
    out("read %zd\n", read(pipes[0], &byte, 1));

    /* The same without a stopped member: nothing is sent. */
    MUST(pipe(pipes));
    child = FORK({
        FORK({
            setpgid(0, 0);
            handle(SIGHUP, on_signal, 0);
            write(pipes[1], "r", 1);
            sleep_ms(60);
            write(pipes[1], "e", 1);
        });
        char ready;
        read(pipes[0], &ready, 1);
    });
    reap(child);
    read(pipes[0], &byte, 1);
    out("the running member ended by itself: %c\n", byte);

    /* In an orphaned group SIGTSTP from the keyboard does not stop (SIGSTOP does). */
    child = FORK({
        setsid();
        raise(SIGTSTP);
        out("SIGTSTP was ignored in an orphaned group\n");
        raise(SIGTTIN);
        raise(SIGTTOU);
        _exit(3);
    });
    out("%s\n", status_name(reap(child)));
    return 0;
}
