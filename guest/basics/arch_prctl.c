/*
 * arch_prctl -- FS and GS bases: per thread, kept over fork and switches, checked for being user addresses
 */
#include "guest.h"
#include <asm/prctl.h>

static long gs_word(void)
{
    long value;
    asm volatile("movq %%gs:0, %0" : "=r"(value));
    return value;
}

static void *other(void *argument)
{
    long word = 222;
    unsigned long gs;
    syscall(SYS_arch_prctl, ARCH_GET_GS, &gs);
    *(unsigned long *)argument = gs;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &word);
    for (int i = 0; i < 10; i++) {
        sched_yield();
        if (gs_word() != 222)
            return (void *)1;
    }
    return NULL;
}

int main(void)
{
    static long word = 111;
    unsigned long base = 1;
    TRY(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
    out("GS base %lu\n", base);
    TRY(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
    out("word at GS: %ld\n", gs_word());
    syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
    unsigned long self;
    asm("movq %%fs:0, %0" : "=r"(self));
    expect(base == self, "FS base is what the program uses");
    TRY(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x800000000000UL));
    TRY(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000UL));
    TRY(syscall(SYS_arch_prctl, 0x77777, 0));
    TRY(syscall(SYS_arch_prctl, ARCH_GET_FS, 8));
    pthread_t thread;
    unsigned long inherited = 0;
    void *result;
    pthread_create(&thread, NULL, other, &inherited);
    for (int i = 0; i < 10; i++)
        sched_yield();
    pthread_join(thread, &result);
    expect(result == NULL && gs_word() == 111, "each thread has its own GS base");
    expect(inherited == (unsigned long)&word, "a new thread inherits it");
    pid_t child = FORK(_exit(gs_word()));
    out("child of fork: %s\n", status_name(reap(child)));
    return wrong;
}
