/*
 * stack_growth -- the first stack grows on use up to RLIMIT_STACK, and then it is SIGSEGV
 *
 * A child with a small limit recurses until it dies; another one catches the fault on an alternate stack.
 */
#include "guest.h"

static volatile int sink;

static int deep(int levels)
{
    volatile char frame[1024];
    memset((char *)frame, levels, sizeof frame);
    if (levels == 0)
        return frame[5];
    int below = deep(levels - 1);
    sink += frame[1];
    return below + frame[7];
}

static char alternate[65536];

static void on_fault(int number, siginfo_t *info, void *context)
{
    char here;
    expect(&here > alternate && &here < alternate + sizeof alternate, "handler runs on the alternate stack");
    out("SIGSEGV code %s\n", info->si_code == SEGV_MAPERR ? "MAPERR" : info->si_code == SEGV_ACCERR ? "ACCERR" : "other");
    _exit(5);
}

int main(void)
{
    sink = deep(4096);
    out("4 MiB of frames are fine\n");
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 256 * 1024;

    pid_t child = FORK({
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_STACK, &limit);
        sink = deep(100000);
    });
    out("without a handler: %s\n", status_name(reap(child)));
    child = FORK({
        stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
        sigaltstack(&stack, NULL);
        handle_info(SIGSEGV, on_fault, SA_ONSTACK);
        setrlimit(RLIMIT_STACK, &limit);
        sink = deep(100000);
    });
    out("on an alternate stack: %s\n", status_name(reap(child)));
    child = FORK({
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        handle_info(SIGSEGV, on_fault, 0);
        setrlimit(RLIMIT_STACK, &limit);
        sink = deep(100000);
    });
    out("handler without a stack to run on: %s\n", status_name(reap(child)));
    return wrong;
}
