/*
 * double_mapped_code -- code written through one mapping of a page and run through another, as some JIT compilers do
 */
#include "guest.h"

/* mov eax, VALUE; ret */
static void emit(unsigned char *code, int value)
{
    code[0] = 0xb8;
    memcpy(code + 1, &value, 4);
    code[5] = 0xc3;
}

int main(void)
{
    size_t page = 4096;
    int fd = memfd_create("jit", 0);
    ftruncate(fd, page);
    unsigned char *writable = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *executable = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    int sum = 0;
    for (int i = 0; i < 50; i++) {
        emit(writable, i);
        sum += ((int (*)(void))executable)();
    }
    out("50 rewrites through a second mapping: sum %d\n", sum);

    return 0;
}
