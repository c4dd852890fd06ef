/*
 * breakpoints -- int3 written into code that others execute, too: forked, shared, of a file, executed before and after
 */
#include "guest.h"
#include "ptrace.h"

extern char place[];

__attribute__((noinline)) static int function(void)
{
    int result;
    asm volatile("place: movl $1, %0" : "=r"(result));
    return result;
}

static pid_t start(int executed)
{
    pid_t pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        if (executed)
            function();
        raise(SIGSTOP);
        for (int i = 0; i < 3; i++)
            out("  function %d\n", function());
    });
    waitpid(pid, NULL, 0);
    return pid;
}

static long put(pid_t pid)
{
    long word = ptrace(PTRACE_PEEKTEXT, pid, place, 0);
    MUST(ptrace(PTRACE_POKETEXT, pid, place, (word & ~0xffL) | 0xcc));
    return word;
}

/* Run over the breakpoint as a debugger does: the old byte back, a step, the breakpoint again. */
static void step_over(pid_t pid, long word)
{
    MUST(ptrace(PTRACE_POKETEXT, pid, place, word));
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), place));
    MUST(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
    stop(pid, 0);
    put(pid);
}

static void at(pid_t pid)
{
    stop(pid, 0);
    out("  behind it: %d\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) == (long)place + 1);
}

static void *thread_body(void *unused)
{
    out("  thread %d\n", function());
    return unused;
}

int main(void)
{
    int status;
    for (int executed = 0; executed < 2; executed++) {
        out("-- %s\n", executed ? "executed before" : "never executed");
        pid_t pid = start(executed);
        long word = put(pid);
        for (int i = 0; i < 2; i++) {
            MUST(ptrace(PTRACE_CONT, pid, 0, 0));
            at(pid);
            step_over(pid, word);
        }
        MUST(ptrace(PTRACE_POKETEXT, pid, place, word));
        MUST(ptrace(PTRACE_CONT, pid, 0, 0));
        stop(pid, 0);
        out("here: %d\n", function());
    }

    out("-- two children, one breakpoint\n");
    pid_t one = start(1), two = start(1);
    put(one);
    MUST(ptrace(PTRACE_CONT, two, 0, 0));
    stop(two, 0);
    MUST(ptrace(PTRACE_CONT, one, 0, 0));
    at(one);
    kill(one, SIGKILL);
    stop(one, 0);

    out("-- a child of the one with it has it\n");
    pid_t pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        if (fork() == 0) {
            out("  child %d\n", function());
            _exit(0);
        }
        wait(&status);
        out("  child: %s\n", status_name(status));
        _exit(0);
    });
    waitpid(pid, NULL, 0);
    put(pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0); /* SIGCHLD */
    MUST(ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
    stop(pid, 0);

    out("-- written while a thread runs\n");
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        function();
        pthread_t thread;
        raise(SIGSTOP);
        pthread_create(&thread, NULL, thread_body, NULL);
        pthread_join(thread, NULL);
        _exit(0);
    });
    waitpid(pid, NULL, 0);
    put(pid);
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0); /* nobody traces the thread */

    out("-- through /proc/PID/mem and process_vm_writev\n");
    pid = start(1);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int memory = open(path, O_RDWR);
    unsigned char byte;
    TRY(pread(memory, &byte, 1, (long)place));
    unsigned char trap = 0xcc;
    TRY(pwrite(memory, &trap, 1, (long)place));
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    at(pid);
    TRY(pwrite(memory, &byte, 1, (long)place));
    MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), place));
    struct iovec local = {&trap, 1}, remote = {place, 1};
    TRY(process_vm_writev(pid, &local, 1, &remote, 1, 0)); /* keeps to the protection */
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    close(memory);

    out("-- memory shared with others\n");
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(shared, "\xb8\x05\x00\x00\x00\xc3", 6); /* mov eax, 5; ret */
    out("here: %d\n", ((int (*)(void))shared)());
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
        out("  child: %d\n", ((int (*)(void))shared)());
        out("  child: %d\n", ((int (*)(void))shared)());
    });
    waitpid(pid, NULL, 0);
    long word = ptrace(PTRACE_PEEKTEXT, pid, shared, 0);
    MUST(ptrace(PTRACE_POKETEXT, pid, shared, (word & ~0xff00L) | 0x0700));
    out("here: %d\n", ((int (*)(void))shared)());
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    MUST(mprotect(shared, 4096, PROT_READ | PROT_EXEC));
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGSTOP);
    });
    waitpid(pid, NULL, 0);
    TRY(ptrace(PTRACE_POKETEXT, pid, shared, word));
    kill(pid, SIGKILL);
    stop(pid, 0);
    return 0;
}
