/*
 * single_step -- a process that steps itself: TF set in its own flags, SIGTRAP after each instruction
 */
#include "guest.h"
#include <ucontext.h>

static volatile int steps;
static volatile int trap_code, trap_number;
static unsigned long visited[64];

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    trap_code = info->si_code;
    trap_number = uc->uc_mcontext.gregs[REG_TRAPNO];
    if (steps < 64)
        visited[steps] = uc->uc_mcontext.gregs[REG_RIP];
    steps++;
}

extern char step_first[], step_second[], step_third[], step_last[];

int main(void)
{
    handle_info(SIGTRAP, on_trap, 0);
    unsigned long rax;
    asm volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                 "movl $1, %%eax\n"
                 "step_first: addl $2, %%eax\n"
                 "step_second: leal 3(%%rax), %%eax\n"
                 "step_third: pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n"
                 "step_last: nop\n"
                 : "=a"(rax)
                 :
                 : "memory", "cc");
    out("steps %d rax %lu\n", steps, rax);
    out("si_code %s trap number %d\n", trap_code == TRAP_TRACE ? "TRAP_TRACE" : "other", trap_number);
    expect(visited[0] == (unsigned long)step_first && visited[1] == (unsigned long)step_second &&
               visited[2] == (unsigned long)step_third,
           "each trap is behind its instruction");

    /* A string instruction with a repeat prefix traps after every iteration. */
    char from[8] = "abcdefg", to[8] = "";
    steps = 0;
    asm volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                 "rep movsb\n\t"
                 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tnop"
                 :
                 : "S"(from), "D"(to), "c"(8L)
                 : "memory", "cc");
    out("rep movsb: %d steps, copied %s\n", steps, to);
    return wrong;
}
