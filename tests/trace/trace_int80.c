/* System calls of i386 by int $0x80, among others. */
#include "trace.h"
#include <sys/wait.h>

static long call(long number, long a, long b, long c, long d, long e)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}

int main(void)
{
    char *low = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned *words = (unsigned *)(low + 4096);
    call(20, 0, 0, 0, 0, 0);
    syscall(SYS_getppid);
    strcpy(low, "int80.tmp");
    int fd = (int)call(5, (long)low, O_RDWR | O_CREAT, 0600, 0, 0);
    strcpy(low + 100, "contents");
    call(4, fd, (long)(low + 100), 8, 0, 0);
    words[0] = (unsigned)(unsigned long)(low + 100);
    words[1] = 3;
    call(146, fd, (long)words, 1, 0, 0);
    call(19, fd, 2, SEEK_SET, 0, 0);
    call(3, fd, (long)(low + 200), 4, 0, 0);
    call(180, fd, (long)(low + 200), 4, 5, 0);
    call(197, fd, (long)(low + 300), 0, 0, 0);
    call(195, (long)low, (long)(low + 300), 0, 0, 0);
    call(10, (long)low, 0, 0, 0, 0);
    call(10, (long)low, 0, 0, 0, 0);
    call(6, fd, 0, 0, 0, 0);
    call(4, 99, (long)low, 3, 0, 0);
    words[0] = 0;
    words[1] = 1000;
    call(162, (long)words, 0, 0, 0, 0);
    call(91, call(192, 0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1), 8192, 0, 0, 0);
    int pid = (int)call(2, 0, 0, 0, 0, 0);
    if (pid == 0)
        call(252, 3, 0, 0, 0, 0);
    call(7, pid, (long)words, 0, 0, 0);
    call(37, pid, 0, 0, 0, 0);
    call(49, 0, 0, 0, 0, 0);
    call(199, 0, 0, 0, 0, 0);
    return 0;
}
