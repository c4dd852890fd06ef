/*
 * events -- the event stops: fork, vfork, vfork done, clone, exec, exit; what the new task's first stop is
 */
#include "guest.h"
#include "ptrace.h"
#include "rawclone.h"

static int seize;

static pid_t traced(void (*body)(void), int options)
{
    int pipes[2];
    MUST(pipe(pipes));
    pid_t pid = FORK({
        char byte;
        close(pipes[1]);
        read(pipes[0], &byte, 1);
        close(pipes[0]);
        if (!seize)
            raise(SIGSTOP);
        body();
        _exit(5);
    });
    close(pipes[0]);
    if (seize)
        MUST(ptrace(PTRACE_SEIZE, pid, 0, options));
    else {
        MUST(ptrace(PTRACE_ATTACH, pid, 0, 0));
        waitpid(pid, NULL, __WALL);
        MUST(ptrace(PTRACE_SETOPTIONS, pid, 0, options));
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    }
    close(pipes[1]);
    if (!seize) {
        stop(pid, 0);
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    }
    return pid;
}

/* Follow one tracee to its end; `pid`s are shown by what they are. */
static void follow(pid_t pid)
{
    pid_t child = 0;
    for (;;) {
        int status;
        pid_t got = waitpid(pid, &status, __WALL);
        if (got == -1)
            return;
        unsigned long message = 0;
        if (!WIFSTOPPED(status)) {
            out("tracee: %s\n", stop_name(status));
            break;
        }
        ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
        int event = status >> 16;
        const char *what = "";
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
            child = message;
            what = " a new task";
        } else if (event == PTRACE_EVENT_EXEC)
            what = message == (unsigned long)pid ? " the same id" : " another id";
        else if (event == PTRACE_EVENT_VFORK_DONE)
            what = message == (unsigned long)child ? " that task" : " another task";
        else if (event == PTRACE_EVENT_EXIT)
            what = status_name(message);
        out("tracee: %s %s\n", stop_name(status), what);
        show_siginfo(pid);
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_VFORK) {
            waitpid(child, &status, __WALL);
            out("new task: %s\n", stop_name(status));
            show_siginfo(child);
            struct user_regs_struct regs;
            ptrace(PTRACE_GETREGS, child, 0, &regs);
            out("new task: rax %lld, orig_rax %lld\n", (long long)regs.rax, (long long)regs.orig_rax);
            ptrace(PTRACE_GETREGS, pid, 0, &regs);
            out("tracee: rax %lld, orig_rax %lld\n", (long long)regs.rax, (long long)regs.orig_rax);
            MUST(ptrace(PTRACE_DETACH, child, 0, 0));
        }
        int number = event || (WSTOPSIG(status) & 0x7f) == SIGTRAP ? 0 : WSTOPSIG(status);
        MUST(ptrace(PTRACE_CONT, pid, 0, number));
    }
}

static void do_fork(void)
{
    pid_t pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(3);
    int status;
    waitpid(pid, &status, 0);
    _exit(WEXITSTATUS(status));
}

static void do_vfork(void)
{
    pid_t pid = vfork();
    if (pid == 0)
        _exit(3);
    int status;
    waitpid(pid, &status, 0);
    _exit(WEXITSTATUS(status));
}

static void do_clone(void)
{
    handle(SIGUSR1, SIG_IGN, 0);
    pid_t pid = syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
    if (pid == 0)
        _exit(4);
    int status = 0;
    waitpid(pid, &status, __WALL);
    _exit(WEXITSTATUS(status));
}

static void do_untraced(void)
{
    pid_t pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(4);
    int status = 0;
    waitpid(pid, &status, __WALL);
    _exit(WEXITSTATUS(status));
}

static void do_exec(void)
{
    execl("/proc/self/exe", "events", "again", NULL);
}

static void do_raise(void)
{
    raise(SIGTERM);
}

static void do_suicide(void)
{
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 6;
    int all = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE |
              PTRACE_O_TRACEEXIT;
    struct {
        const char *name;
        void (*body)(void);
        int options;
    } cases[] = {
        {"fork", do_fork, all},
        {"fork, not asked for", do_fork, 0},
        {"vfork", do_vfork, all},
        {"vfork, only its end", do_vfork, PTRACE_O_TRACEVFORKDONE},
        {"clone", do_clone, all},
        {"clone with CLONE_UNTRACED", do_untraced, all},
        {"exec", do_exec, all},
        {"exec, not asked for", do_exec, 0},
        {"exit by signal", do_raise, PTRACE_O_TRACEEXIT},
        {"exit by SIGKILL", do_suicide, PTRACE_O_TRACEEXIT},
    };
    for (seize = 0; seize < 2; seize++)
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            out("== %s, %s\n", seize ? "seized" : "attached", cases[i].name);
            follow(traced(cases[i].body, cases[i].options));
        }

    out("== SIGKILL during PTRACE_EVENT_EXIT\n");
    seize = 1;
    pid_t pid = traced(do_exec, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
    stop(pid, 0);
    kill(pid, SIGKILL);
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    return 0;
}
