/*
 * self_modifying -- code written at run time: rewritten in place, under W^X, and by the kernel
 *
 * x86 promises that a store into code is seen by the next execution of it, with no call to the kernel.
 */
#include "guest.h"

/* mov eax, VALUE; ret */
static void emit(unsigned char *code, int value)
{
    code[0] = 0xb8;
    memcpy(code + 1, &value, 4);
    code[5] = 0xc3;
}

static int call(void *code) { return ((int (*)(void))code)(); }

int main(void)
{
    size_t page = 4096;
    unsigned char *rwx = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int sum = 0;
    for (int i = 0; i < 50; i++) {
        emit(rwx, i);
        sum += call(rwx);
    }
    out("50 rewrites in place: sum %d\n", sum);

    unsigned char *wx = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sum = 0;
    for (int i = 0; i < 50; i++) {
        mprotect(wx, page, PROT_READ | PROT_WRITE);
        emit(wx, i);
        mprotect(wx, page, PROT_READ | PROT_EXEC);
        sum += call(wx);
    }
    out("50 rewrites under W^X: sum %d\n", sum);

    int fd = memfd_create("code", 0);
    ftruncate(fd, page);
    void *executable = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned char code[6];
    for (int i = 0; i < 3; i++) {
        emit(code, 1234 + i);
        pwrite(fd, code, 6, 0);
        out("written with pwrite: %d\n", call(executable));
    }
    emit(code, 4321);
    int pipes[2];
    pipe(pipes);
    write(pipes[1], code, 6);
    read(pipes[0], rwx, 6);
    out("read from a pipe: %d\n", call(rwx));

    emit(rwx, 1);
    call(rwx);
    pid_t child = FORK({
        emit(rwx, 2);
        _exit(call(rwx));
    });
    out("child rewrote its copy: %s\n", status_name(reap(child)));
    out("parent still runs its own: %d\n", call(rwx));
    return wrong;
}
