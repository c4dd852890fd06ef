/*
 * orphans -- when a parent dies its children go to the nearest subreaper, or to init; PDEATHSIG tells them
 */
#include "guest.h"
#include <sys/prctl.h>

static volatile int told;
static void on_usr1(int number, siginfo_t *info, void *context) { told = info->si_code == SI_USER ? 1 : 2; }

int main(void)
{
    int value = -1, pipes[2];
    MUST(pipe(pipes));
    TRY(prctl(PR_GET_CHILD_SUBREAPER, &value));
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
    prctl(PR_GET_CHILD_SUBREAPER, &value);
    out("subreaper %d\n", value);
    pid_t me = getpid();
    pid_t child = FORK({
        prctl(PR_GET_CHILD_SUBREAPER, &value);
        out("the attribute is not inherited: %d\n", value);
        pid_t middle = getpid();
        FORK({
            handle_info(SIGUSR1, on_usr1, 0);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            write(pipes[1], "r", 1);
            while (getppid() == middle)
                sleep_ms(2);
            expect(getppid() == me, "the subreaper is the new parent");
            for (int i = 0; i < 500 && !told; i++)
                sleep_ms(2);
            out("PDEATHSIG: %d\n", told);
            _exit(9);
        });
        char byte;
        read(pipes[0], &byte, 1);
        _exit(1);
    });
    int status = reap(child), adopted_status;
    pid_t adopted = wait(&adopted_status);
    out("child: %s\n", status_name(status));
    expect(adopted > 0 && adopted != child, "the grandchild is ours");
    out("adopted: %s\n", status_name(adopted_status));

    /* A whole family: children of a killed process, living and dead, come to us. */
    child = FORK({
        for (int i = 0; i < 3; i++)
            FORK(_exit(10 + i));
        for (int i = 0; i < 3; i++)
            FORK({
                while (getppid() != me)
                    sleep_ms(2);
                _exit(20 + i);
            });
        sleep_ms(30);
        write(pipes[1], "r", 1);
        pause();
    });
    char byte;
    read(pipes[0], &byte, 1);
    kill(child, SIGKILL);
    int sum = 0, count = 0;
    while (wait(&status) > 0) {
        count++;
        sum += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    }
    out("reaped %d, sum of statuses %d\n", count, sum);

    /* A thread that forks is the parent only by name: its end leaves the child with the process. */
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    TRY(wait(NULL));
    return wrong;
}
