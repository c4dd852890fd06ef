/*
 * fp_state -- SSE and x87 registers belong to the thread: signals, switches and fork keep them
 */
#include "guest.h"
#include <fenv.h>
#include <math.h>

static volatile double sink;

static void scribble(int number)
{
    /* A handler starts with a clean FP state and may use all of it. */
    unsigned short control;
    unsigned mxcsr;
    asm volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(control), "=m"(mxcsr));
    out("in the handler: control word %#x, mxcsr rounding %u\n", control, mxcsr >> 13 & 3);
    asm volatile("xorps %%xmm0, %%xmm0\n\txorps %%xmm7, %%xmm7\n\txorps %%xmm15, %%xmm15\n\tfldpi\n\tfldpi\n\tfstp %%st(0)"
                 ::: "xmm0", "xmm7", "xmm15");
    sink = sqrt(sink + 17);
}

static void with_registers(void (*action)(void), const char *what)
{
    double in[3] = {1.5, 7.25, 15.125}, o[3];
    long double top = 3.0L / 7.0L, back;
    unsigned short control = 0x0f7f, control_after; /* round to zero, 64-bit mantissa */
    unsigned mxcsr = 0x7f80, mxcsr_after;           /* round to zero */
    asm volatile("fldcw %0\n\tldmxcsr %1" ::"m"(control), "m"(mxcsr));
    asm volatile("movsd (%[in]), %%xmm8\n\tmovsd 8(%[in]), %%xmm9\n\tmovsd 16(%[in]), %%xmm15\n\t"
                 "fldt (%[top])\n\t"
                 "pushq %[in]\n\tpushq %[o]\n\tpushq %[back]\n\tpushq %[back]\n\t"
                 "callq *%[action]\n\t"
                 "popq %[back]\n\tpopq %[back]\n\tpopq %[o]\n\tpopq %[in]\n\t"
                 "fstpt (%[back])\n\t"
                 "movsd %%xmm8, (%[o])\n\tmovsd %%xmm9, 8(%[o])\n\tmovsd %%xmm15, 16(%[o])"
                 : [in] "+b"((double *){in}), [o] "+D"((double *){o}), [back] "+S"((long double *){&back}), [action] "+a"(action)
                 : [top] "d"(&top)
                 : "rcx", "r8", "r9", "r10", "r11", "xmm8", "xmm9", "xmm15", "memory", "cc");
    asm volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(control_after), "=m"(mxcsr_after));
    expect(o[0] == in[0] && o[1] == in[1] && o[2] == in[2] && back == top, "%s: registers kept", what);
    expect(control_after == control && (mxcsr_after & 0x6000) == 0x6000, "%s: control words kept", what);
    fesetenv(FE_DFL_ENV);
}

/* Raw calls that touch no FP register themselves. */
static void raise_signal(void)
{
    long result;
    asm volatile("syscall" : "=a"(result) : "0"(SYS_tkill), "D"(syscall(SYS_gettid)), "S"(SIGUSR1) : "rcx", "r11", "memory");
}

static void fork_child(void)
{
    long pid;
    asm volatile("syscall" : "=a"(pid) : "0"(SYS_fork) : "rcx", "r11", "memory");
    if (pid == 0) {
        double seen;
        asm volatile("movsd %%xmm15, %0" : "=m"(seen));
        expect(seen == 15.125, "the child of fork has them");
        _exit(0);
    }
    reap(pid);
}

static void yield(void)
{
    long result;
    for (int i = 0; i < 50; i++)
        asm volatile("syscall" : "=a"(result) : "0"(SYS_sched_yield) : "rcx", "r11", "memory");
}

static void *other(void *argument)
{
    double total = 0;
    for (int i = 1; i < 20000; i++) {
        total += 1.0 / i;
        asm volatile("movsd %0, %%xmm15\n\tmovsd %0, %%xmm8" ::"m"(total) : "xmm15", "xmm8");
        if (i % 500 == 0)
            sched_yield();
    }
    *(double *)argument = total;
    return NULL;
}

int main(void)
{
    handle(SIGUSR1, scribble, 0);
    with_registers(raise_signal, "signal");
    with_registers(fork_child, "fork");
    pthread_t thread;
    double total = 0;
    pthread_create(&thread, NULL, other, &total);
    with_registers(yield, "switches");
    pthread_join(thread, NULL);
    out("the other thread's sum %.12f\n", total);
    fesetround(FE_DOWNWARD);
    pid_t child = FORK(_exit(fegetround() == FE_DOWNWARD));
    out("rounding mode in the child: %s\n", status_name(reap(child)));
    fesetround(FE_TONEAREST);
    out("%.17g %.17g %.17Lg\n", sin(1.0), exp(1.0), 1.0L / 3);
    return wrong;
}
