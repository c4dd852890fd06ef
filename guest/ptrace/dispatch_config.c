/*
 * dispatch_config -- syscall user dispatch of a tracee: reading it, setting it, what is refused
 * guest: needs=linux-6.18
 */
#include "guest.h"
#include "ptrace.h"
#include <sys/prctl.h>

#define SET_CONFIG 0x4210
#define GET_CONFIG 0x4211

static struct config {
    uint64_t mode, selector, offset, length;
} config;
static char selector;
static pid_t pid;

static void get(void)
{
    memset(&config, 0xff, sizeof config);
    MUST(syscall(SYS_ptrace, GET_CONFIG, pid, sizeof config, &config));
    out("mode %ld, selector %s, %#lx bytes at %#lx\n", (long)config.mode,
        config.selector == (unsigned long)&selector ? "ours" : config.selector ? "another" : "none", (long)config.length,
        (long)config.offset);
}

static void set(uint64_t mode, uint64_t offset, uint64_t length, void *byte)
{
    struct config wanted = {mode, (uint64_t)byte, offset, length};
    long result = syscall(SYS_ptrace, SET_CONFIG, pid, sizeof wanted, &wanted);
    out("mode %ld, %#lx bytes at %#lx: %s\n", (long)mode, (long)length, (long)offset, result ? errno_name(errno) : "0");
}

int main(void)
{
    pid = FORK({
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        MUST(prctl(59, 1, 0x1000, 0x7ffff0000000, &selector));
        raise(SIGSTOP);
        for (;;)
            getppid();
    });
    waitpid(pid, NULL, 0);
    get();
    for (long size = 0; size <= 64; size += 16)
        TRY(syscall(SYS_ptrace, GET_CONFIG, pid, size, &config));
    TRY(syscall(SYS_ptrace, GET_CONFIG, pid, 32L, 8L));
    TRY(syscall(SYS_ptrace, SET_CONFIG, pid, 32L, 8L));
    TRY(syscall(SYS_ptrace, SET_CONFIG, pid, 16L, &config));
    set(0, 0x1000, 0, NULL);
    set(0, 0, 0, &selector);
    set(0, 0, 0, NULL);
    get();
    set(2, 0, 0, NULL);
    set(2, 0x1000, 0, NULL);
    set(2, 0x1000, 0x2000, &selector);
    get();
    set(3, 0, 0, NULL);
    set(1, 16, -16, NULL);
    set(1, 16, -17, NULL);
    set(1, 0, 0, (void *)-8);
    set(1, 0, 0, NULL);
    get();
    MUST(ptrace(PTRACE_CONT, pid, 0, 0));
    stop(pid, 0);
    show_siginfo(pid);
    kill(pid, SIGKILL);
    stop(pid, 0);
    return 0;
}
