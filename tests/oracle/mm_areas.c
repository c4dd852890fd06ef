/* Runs sequences of memory calls in an arena at a fixed address and prints the areas that result.
 *
 * Input, one operation a line: a letter and numbers; "." ends the sequence.  Pages are counted from the start of the arena.
 * Output: the result of each operation (0 or an errno), then one line an area, then ".".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA 0x10000000UL
#define PAGES 64UL
#define AT(page) ((char *)(ARENA + ((unsigned long)(page) << 12)))

static void report(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset;
        char perms[5];
        if (sscanf(line, "%lx-%lx %4s %lx", &start, &end, perms, &offset) == 4 && start >= ARENA
            && start < ARENA + (PAGES << 12))
            printf("%lu %lu %s %lu\n", (start - ARENA) >> 12, (end - ARENA) >> 12, perms, offset >> 12);
    }
    fclose(maps);
    puts(".");
}

static int result(int failed)
{
    return failed ? errno : 0;
}

int main(void)
{
    char line[128];
    int fd = memfd_create("oracle", 0);
    char page[4096] = {0};
    for (int i = 0; i < 64; i++)
        if (write(fd, page, sizeof page) != sizeof page)
            return 1;
    while (fgets(line, sizeof line, stdin)) {
        char op;
        long a = 0, b = 0, c = 0, d = 0;
        if (sscanf(line, "%c %ld %ld %ld %ld", &op, &a, &b, &c, &d) < 1)
            return 1;
        int r = 0;
        switch (op) {
        case 'm':
            r = result(mmap(AT(a), b << 12, (int)c, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
            break;
        case 's':
            r = result(mmap(AT(a), b << 12, (int)c, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
            break;
        case 'o':
            r = result(mmap(AT(a), b << 12, (int)c, (int)d, fd, a << 12) == MAP_FAILED);
            break;
        case 'u':
            r = result(munmap(AT(a), b << 12));
            break;
        case 'p':
            r = result(mprotect(AT(a), b << 12, (int)c));
            break;
        case 'a':
            r = result(madvise(AT(a), b << 12, (int)c));
            break;
        case 'l':
            r = result(c ? mlock(AT(a), b << 12) : munlock(AT(a), b << 12));
            break;
        case 'x':
            r = result(mremap(AT(a), b << 12, d << 12, MREMAP_MAYMOVE | MREMAP_FIXED, AT(c)) == MAP_FAILED);
            break;
        case 'k':
            r = result(mremap(AT(a), b << 12, b << 12, MREMAP_MAYMOVE | MREMAP_FIXED | 4, AT(c)) == MAP_FAILED);
            break;
        case 'g':
            r = result(mremap(AT(a), b << 12, c << 12, 0) == MAP_FAILED);
            break;
        case 'w':
            r = result(read(open("/dev/zero", 0), AT(a), 1) != 1);
            break;
        case 'r': {
            int pipes[2];
            if (pipe(pipes))
                return 1;
            r = result(write(pipes[1], AT(a), 1) != 1);
            close(pipes[0]);
            close(pipes[1]);
            break;
        }
        case 'f': {
            fflush(stdout);
            pid_t child = fork();
            if (child) {
                waitpid(child, NULL, 0);
                _exit(0);
            }
            break;
        }
        case '.':
            report();
            fflush(stdout);
            continue;
        default:
            return 1;
        }
        printf("%d ", r);
    }
    return 0;
}
