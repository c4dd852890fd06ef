/*
 * states -- the state letter, wchan, tracer and signals of processes that sleep, are stopped, traced, or dead
 * guest: needs=proc
 */
#include "procfile.h"
#include <sys/ptrace.h>

static int ends[2];

static void show(const char *what, int pid)
{
    char letter = letter_of(pid);
    slurp(of(pid, "status"));
    char state[64], tracer[64], pending[64];
    snprintf(state, sizeof state, "%s", field("State:\t"));
    snprintf(tracer, sizeof tracer, "%s", field("TracerPid:\t"));
    snprintf(pending, sizeof pending, "%s", field("ShdPnd:\t"));
    int length = slurp(of(pid, "wchan"));
    out("%s: %c, %s, %s, %s, wchan %s\n", what, letter, state, atoi(tracer) == getpid() ? "traced by us" : tracer,
        letter == 'Z' ? "" : pending, length == 1 && text[0] == '0' ? "0" : "a name");
    slurp(of(pid, "syscall"));
    const char *what_pipe = strtol(text + 2, NULL, 16) == ends[0] ? " of our pipe" : " of something else";
    if (letter == 'S')
        out("  in call %ld%s\n", strtol(text, NULL, 10), strncmp(text, "0 ", 2) ? "" : what_pipe);
}

int main(void)
{
    MUST(pipe(ends));
    int sleeper = FORK(char byte; read(ends[0], &byte, 1));
    await_state(sleeper, "S");
    show("reader", sleeper);
    kill(sleeper, SIGSTOP);
    await_state(sleeper, "T");
    kill(sleeper, SIGTERM);
    show("stopped", sleeper);
    kill(sleeper, SIGCONT);
    reap(sleeper);
    int traced = FORK(ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGUSR1); pause());
    int status;
    MUST(waitpid(traced, &status, 0));
    show("traced stop", traced);
    MUST(ptrace(PTRACE_CONT, traced, 0, 0));
    await_state(traced, "S");
    show("traced", traced);
    kill(traced, SIGKILL);
    await_state(traced, "Z");
    show("zombie", traced);
    reap(traced);
    slurp("/proc/self/status");
    out("ourselves: %s\n", field("State:\t"));
    slurp("/proc/self/syscall");
    out("our call: %ld\n", strtol(text, NULL, 10));
    return 0;
}
