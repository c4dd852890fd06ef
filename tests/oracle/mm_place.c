/* Prints where the kernel places mappings, without address space randomisation.
 *
 * Output: the areas there are at the start ("start end stack?", hexadecimal and 0 or 1) and a ".", then the result of each
 * operation read: "m hint pages", "u address pages", "r address pages new_pages" (mremap, may move), "b delta" (sbrk).
 * Numbers are hexadecimal; negative results are errnos.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

static char in[4096], out[1 << 16];

int main(int argc, char **argv)
{
    char line[512];
    if (argc < 2) {
        personality(ADDR_NO_RANDOMIZE);
        execl("/proc/self/exe", argv[0], "again", NULL);
        return 1;
    }
    setvbuf(stdin, in, _IOFBF, sizeof in);
    setvbuf(stdout, out, _IOFBF, sizeof out);
    FILE *maps = fopen("/proc/self/maps", "r");
    static char buffer[1 << 15];
    setvbuf(maps, buffer, _IOFBF, sizeof buffer);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start < 0x800000000000UL)
            printf("%lx %lx %d\n", start, end, strstr(line, "[stack]") != NULL);
    }
    puts(".");
    while (fgets(line, sizeof line, stdin)) {
        unsigned long a = 0, b = 0, c = 0;
        long result = -1;
        sscanf(line + 1, "%lx %lx %lx", &a, &b, &c);
        switch (line[0]) {
        case 'm':
            result = (long)mmap((void *)a, b << 12, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            break;
        case 'u':
            result = munmap((void *)a, b << 12);
            break;
        case 'r':
            result = (long)mremap((void *)a, b << 12, c << 12, MREMAP_MAYMOVE);
            break;
        }
        printf("%lx\n", result == -1 ? (unsigned long)-errno : (unsigned long)result);
        fflush(stdout);
    }
    return 0;
}
