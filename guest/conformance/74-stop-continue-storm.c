/*
 * 74-stop-continue-storm -- two hundred SIGSTOPs and SIGCONTs at a process of four threads; in the end it runs, or it is stopped
 * guest: libc=musl
 */
#include "scenario.h"

static int worker(void)
{
    for (;;)
        __atomic_add_fetch(&shared->value[0], 1, __ATOMIC_SEQ_CST), sleep_ms(1);
}

static int process(void)
{
    for (int i = 0; i < 3; i++)
        thread(worker);
    post(0);
    return worker();
}

static void scenario(void)
{
    pid_t pid = spawn("P", process);
    await(0);
    for (int i = 0; i < 200; i++) {
        MUST(kill(pid, SIGSTOP));
        MUST(kill(pid, SIGCONT));
    }
    long ticks = shared->value[0];
    say("runs", "%s", yes(within(LIMIT_MS, shared->value[0] > ticks + 10)));
    while (waitpid(pid, NULL, WUNTRACED | WCONTINUED | WNOHANG) > 0)
        ;
    for (int i = 0; i < 200; i++) {
        MUST(kill(pid, SIGCONT));
        MUST(kill(pid, SIGSTOP));
    }
    WAITID_WITHIN("stopped", P_PID, pid, WSTOPPED, LIMIT_MS);
    ticks = shared->value[0];
    sleep_ms(50);
    say("moves", "%s", yes(shared->value[0] != ticks));
    WAITID("stopped-again", P_PID, pid, WSTOPPED | WNOHANG);
    MUST(kill(pid, SIGKILL));
    WAIT("end", pid, WUNTRACED);
}
