/*
 * core_traced -- core dumps of traced threads, of a vfork child, and beside a process that shares the memory
 * guest: needs=core
 */
#include "core.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static volatile int go;

static void *wait_for_ever(void *argument)
{
    for (;;)
        pause();
    return NULL;
}

static void *crash_later(void *argument)
{
    while (!go)
        sleep_ms(1);
    raise(SIGSEGV);
    return NULL;
}

static void threads(void)
{
    pthread_t thread;
    allow_core(RLIM_INFINITY);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pthread_create(&thread, NULL, wait_for_ever, NULL);
    pthread_create(&thread, NULL, crash_later, NULL);
    raise(SIGSTOP);
    go = 1;
    wait_for_ever(NULL);
}

/* All threads traced: the stops of their exits come when the core is there, and tell of it. */
static void traced(void)
{
    pid_t pid = FORK(threads()), tids[8], tid;
    int count = 0, status, exits = 0, dumped = 0, deaths = 0, waited = 0, early = 0;
    char name[64];
    reap(FORK(_exit(0)));
    await_state(pid, "T");
    for (tid = pid; tid < pid + 8; tid++) {
        snprintf(name, sizeof name, "/proc/%d/task/%d", pid, tid);
        if (access(name, F_OK) == 0)
            tids[count++] = tid;
    }
    for (int i = 0; i < count; i++)
        MUST(ptrace(PTRACE_SEIZE, tids[i], 0, PTRACE_O_TRACEEXIT));
    kill(pid, SIGCONT);
    while ((tid = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_EXIT) {
            unsigned long message;
            exits++;
            MUST(ptrace(PTRACE_GETEVENTMSG, tid, 0, &message));
            dumped += message == (SIGSEGV | 0x80);
            early += access("core", F_OK) != 0;
            ptrace(PTRACE_CONT, tid, 0, 0);
        } else if (WIFSTOPPED(status)) {
            int number = WSTOPSIG(status);
            if (number == SIGSEGV)
                waited++;
            if (status >> 16 == PTRACE_EVENT_STOP && number != SIGTRAP)
                ptrace(PTRACE_LISTEN, tid, 0, 0);
            else
                ptrace(PTRACE_CONT, tid, 0, number == SIGTRAP ? 0 : number);
        } else {
            deaths++;
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || !WCOREDUMP(status))
                out("WRONG death: %s\n", status_name(status));
        }
    }
    out("%d threads: %d signal stops, %d exit stops, %d tell of the core, %d before it, %d deaths\n", count, waited, exits, dumped,
        early, deaths);
    struct core core;
    if (core_open(&core, "core")) {
        int notes = 0;
        while (core_find(&core, NT_PRSTATUS, notes))
            notes++;
        out("the core has %d threads\n", notes);
        core_close(&core);
    }
    unlink("core");
}

static int shared_sibling(void *argument)
{
    while (!go)
        sleep_ms(1);
    sleep_ms(50);
    _exit(5);
}

/* A process that shares the memory of a dying one lives on. */
static void shared(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = MUST(clone(shared_sibling, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    pid_t other = FORK({
        static char inner[65536] __attribute__((aligned(16)));
        allow_core(RLIM_INFINITY);
        pid_t mine = MUST(clone(shared_sibling, inner + sizeof inner, CLONE_VM | CLONE_PARENT | SIGCHLD, NULL));
        (void)mine;
        go = 1;
        abort();
    });
    out("dumped: %s\n", status_name(reap(other)));
    int status;
    waitpid(-1, &status, 0);
    out("sharer: %s\n", status_name(status));
    go = 1;
    out("own: %s\n", status_name(reap(pid)));
    unlink("core");
}

static void vforked(void)
{
    allow_core(RLIM_INFINITY);
    pid_t pid = vfork();
    if (pid == 0) {
        kill(getpid(), SIGQUIT);
        _exit(0);
    }
    out("vfork child: %s\n", status_name(reap(pid)));
    struct core core;
    if (core_open(&core, "core")) {
        prstatus_t *thread = core_find(&core, NT_PRSTATUS, 0);
        expect(thread->pr_pid == pid && thread->pr_ppid == getpid(), "the core is the child's");
        core_close(&core);
    }
    unlink("core");
}

/* A signal that starts a dump while another one is under way, or a fatal one behind it, changes nothing. */
static void many(void)
{
    go = 0;
    pid_t pid = FORK({
        pthread_t thread;
        allow_core(RLIM_INFINITY);
        for (int i = 0; i < 6; i++)
            pthread_create(&thread, NULL, crash_later, NULL);
        go = 1;
        wait_for_ever(NULL);
    });
    out("six crash: %s\n", status_name(reap(pid)));
    struct core core;
    if (core_open(&core, "core")) {
        int notes = 0;
        while (core_find(&core, NT_PRSTATUS, notes))
            notes++;
        out("the core has %d threads\n", notes);
        core_close(&core);
    }
    unlink("core");
}

int main(void)
{
    enter_directory();
    traced();
    shared();
    vforked();
    many();
    leave_directory();
    return wrong;
}
