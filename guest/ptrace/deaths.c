/*
 * deaths -- SIGKILL in every kind of stop, and tracers that die: whole, one thread of several, with and without EXITKILL
 */
#include "guest.h"
#include "ptrace.h"

static pid_t spinning(int options)
{
    pid_t pid = FORK({
        for (;;)
            getppid();
    });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, options));
    return pid;
}

static void killed(const char *where, pid_t pid, int options)
{
    out("%s\n", where);
    kill(pid, SIGKILL);
    if (options & PTRACE_O_TRACEEXIT) {
        int status = stop(pid, 0);
        if (WIFSTOPPED(status)) {
            unsigned long message = 0;
            ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
            out("  message %#lx\n", message);
            TRY(ptrace(PTRACE_CONT, pid, 0, 0));
        } else {
            return;
        }
    }
    stop(pid, 0);
    out("  then: %s\n", ptrace(PTRACE_CONT, pid, 0, 0) == -1 ? errno_name(errno) : "0");
}

static void stops(int options)
{
    out("-- SIGKILL, %s\n", options & PTRACE_O_TRACEEXIT ? "with TRACEEXIT" : "plain");
    pid_t pid = spinning(options);
    killed("running", pid, options);
    pid = spinning(options);
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    stop(pid, 0);
    killed("interrupted", pid, options);
    pid = spinning(options);
    kill(pid, SIGUSR1);
    stop(pid, 0);
    killed("signal-delivery-stop", pid, options);
    pid = spinning(options);
    kill(pid, SIGSTOP);
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    killed("group-stop", pid, options);
    pid = spinning(options);
    kill(pid, SIGSTOP);
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    stop(pid, 0);
    MUST(ptrace(PTRACE_LISTEN, pid, 0, 0));
    killed("listening", pid, options);
    pid = spinning(options | PTRACE_O_TRACESYSGOOD);
    MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    stop(pid, 0);
    MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
    stop(pid, 0);
    killed("syscall-stop", pid, options);
}

static void exits(void)
{
    out("-- SIGKILL in PTRACE_EVENT_EXIT\n");
    pid_t pid = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT));
    kill(pid, SIGTERM);
    stop(pid, 0);
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
    stop(pid, 0);
    unsigned long message = 0;
    MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
    out("message %#lx\n", message);
    kill(pid, SIGKILL); /* it is dying already: ignored */
    sleep_ms(30);
    stop(pid, WNOHANG);
    TRY(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    out("-- PTRACE_KILL\n");
    pid = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    TRY(ptrace(PTRACE_KILL, pid, 0, 0));
    stop(pid, 0);
    out("-- injected SIGKILL\n");
    pid = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0));
    kill(pid, SIGUSR1);
    stop(pid, 0);
    TRY(ptrace(PTRACE_CONT, pid, 0, SIGKILL));
    stop(pid, 0);
}

/* A grandchild is traced by a child, which dies; what becomes of it? */
static void orphan(const char *text, int options, int stopped)
{
    out("%s\n", text);
    pid_t target = FORK({
        pause();
    });
    pid_t tracer = FORK({
        MUST(ptrace(PTRACE_SEIZE, target, 0, options));
        if (stopped) {
            MUST(ptrace(PTRACE_INTERRUPT, target, 0, 0));
            MUST(waitpid(target, NULL, __WALL));
        }
    });
    reap(tracer);
    if (options & PTRACE_O_EXITKILL) {
        out("  %s\n", status_name(reap(target)));
    } else {
        await_state(target, "SR");
        out("  lives, TracerPid is free: %d\n", ptrace(PTRACE_SEIZE, target, 0, 0) == 0);
        kill(target, SIGKILL);
        stop(target, 0);
    }
}

static pid_t victim;
static void *attaching_thread(void *options)
{
    MUST(ptrace(PTRACE_SEIZE, victim, 0, (long)options));
    MUST(ptrace(PTRACE_INTERRUPT, victim, 0, 0));
    int status;
    MUST(waitpid(victim, &status, __WALL));
    out("  thread: %s\n", stop_name(status));
    return NULL;
}

static void threads(void)
{
    for (int kill_it = 0; kill_it < 2; kill_it++) {
        out("-- the attaching thread exits, its process lives%s\n", kill_it ? ", EXITKILL" : "");
        victim = FORK({ pause(); });
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, attaching_thread, (void *)(kill_it ? (long)PTRACE_O_EXITKILL : 0L)));
        pthread_join(thread, NULL);
        if (kill_it) {
            out("  %s\n", status_name(reap(victim)));
        } else {
            await_state(victim, "S");
            out("  free: %d\n", ptrace(PTRACE_SEIZE, victim, 0, 0) == 0);
            kill(victim, SIGKILL);
            stop(victim, 0);
        }
    }
    out("-- another thread waits for the tracee\n");
    victim = FORK({ pause(); });
    MUST(ptrace(PTRACE_SEIZE, victim, 0, 0));
    MUST(ptrace(PTRACE_INTERRUPT, victim, 0, 0));
    pid_t waiter = FORK({ TRY(waitpid(victim, NULL, __WALL)); });
    reap(waiter);
    stop(victim, __WNOTHREAD);
    kill(victim, SIGKILL);
    stop(victim, 0);
}

int main(void)
{
    stops(0);
    stops(PTRACE_O_TRACEEXIT);
    exits();
    out("-- the tracer dies\n");
    orphan("running", 0, 0);
    orphan("stopped", 0, 1);
    orphan("running, EXITKILL", PTRACE_O_EXITKILL, 0);
    orphan("stopped, EXITKILL", PTRACE_O_EXITKILL, 1);
    threads();
    return 0;
}
