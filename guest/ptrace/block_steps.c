/*
 * block_steps -- PTRACE_SINGLEBLOCK: stops at taken branches; on a processor without BTF, as in most virtual machines, at each instruction
 * guest: native=probe
 */
#include "stepping.h"

#define SINGLEBLOCK 33

int main(void)
{
    out("-- blocks\n");
    begin(1);
    for (int i = 0; i < 5; i++)
        go(SINGLEBLOCK, 0);
    go(PTRACE_SINGLESTEP, 0);
    finish();
    out("-- a block that ends in a signal\n");
    begin(0);
    go(PTRACE_CONT, 0);
    go(SINGLEBLOCK, SIGUSR1);
    out("  in the handler: %d\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) == (long)on_signal);
    finish();
    return 0;
}

