/*
 * x87_invalid -- the invalid-operation exception of the x87, unmasked
 */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile int code;

static void on_fpe(int number, siginfo_t *info, void *context)
{
    code = info->si_code;
    siglongjmp(back, 1);
}

static void attempt(const char *what, double a, double b, int unmasked)
{
    unsigned short control = 0x037f & ~unmasked;
    volatile double result;
    if (sigsetjmp(back, 1)) {
        asm volatile("fninit");
        out("%s: SIGFPE %s\n", what,
            code == FPE_FLTDIV ? "FLTDIV" : code == FPE_FLTINV ? "FLTINV" : code == FPE_FLTOVF ? "FLTOVF" : "other");
        return;
    }
    asm volatile("fninit\n\tfldcw %3\n\tfldl %1\n\tfdivl %2\n\tfstpl %0\n\tfwait" : "=m"(result) : "m"(a), "m"(b), "m"(control));
    asm volatile("fninit");
    out("%s: %f\n", what, result);
}

int main(void)
{
    handle_info(SIGFPE, on_fpe, 0);
    attempt("0/0 unmasked", 0, 0, 1);
    return wrong;
}
