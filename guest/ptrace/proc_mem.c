/*
 * proc_mem -- /proc/PID/mem: reading and writing another's memory, its holes, its end
 * guest: needs=proc
 */
#include "guest.h"
#include "ptrace.h"

static char *pages; /* readable, nothing, read-only, no access */
static char local[16384];
static int ends[2];

static int opened(pid_t pid, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, flags);
    if (fd < 0)
        out("open: %s\n", errno_name(errno));
    return fd;
}

#define AT(page, offset) ((long)pages + (page) * 4096 + (offset))

int main(int count, char **words)
{
    char byte;
    if (count > 1) {
        pause();
        return 0;
    }
    MUST(pipe(ends));
    pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++)
        memset(pages + i * 4096, 'a' + i, 4096);
    munmap(pages + 4096, 4096);
    mprotect(pages + 2 * 4096, 4096, PROT_READ);
    mprotect(pages + 3 * 4096, 4096, PROT_NONE);
    pid_t pid = FORK({
        read(ends[0], &byte, 1);
        out("  tracee: %.3s %.3s\n", pages, pages + 2 * 4096);
        execl("/proc/self/exe", "proc_mem", "sleep", NULL);
    });
    int fd = opened(pid, O_RDWR);
    out("-- reading\n");
    TRY(pread(fd, local, 8, AT(0, 0)));
    out("%.8s\n", local);
    TRY(pread(fd, local, 8192, AT(0, 0)));
    TRY(pread(fd, local, 100, AT(0, 4090)));
    TRY(pread(fd, local, 8, AT(1, 0)));
    TRY(pread(fd, local, 8192, AT(2, 0)));
    TRY(pread(fd, local, 8, AT(3, 0)));
    TRY(pread(fd, local, 0, AT(1, 0)));
    TRY(pread(fd, local, 8, 0));
    TRY(pread(fd, local, 8, 0x7ffffffff000));
    TRY(pread(fd, local, 8, -8));
    TRY(pread(fd, (char *)8, 8, AT(0, 0)));
    TRY(pread(fd, local, 8, -4096));
    struct iovec vector[2] = {{local, 3}, {local + 8, 3}};
    TRY(preadv(fd, vector, 2, AT(0, 0)));
    out("-- the position\n");
    TRY_OK(lseek(fd, AT(0, 0), SEEK_SET));
    TRY(read(fd, local, 4));
    TRY(lseek(fd, 0, SEEK_CUR) == AT(0, 4));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(lseek(fd, -1, SEEK_SET) == -1);
    TRY(lseek(fd, AT(1, 0), SEEK_SET) == AT(1, 0));
    TRY(read(fd, local, 4));
    out("-- writing\n");
    TRY(pwrite(fd, "xyz", 3, AT(0, 0)));
    TRY(pwrite(fd, "xyz", 3, AT(2, 0)));
    TRY(pwrite(fd, "xyz", 3, AT(3, 0)));
    TRY(pwrite(fd, "xyz", 3, AT(1, 0)));
    TRY(pwrite(fd, local, 8192, AT(0, 4000)));
    char *volatile nowhere = (char *)8;
    TRY(pwrite(fd, nowhere, 8, AT(0, 0)));
    TRY(pwrite(fd, "xyz", 3, 0));
    out("here: %.3s\n", pages);
    int readonly = opened(pid, O_RDONLY), writeonly = opened(pid, O_WRONLY);
    TRY(pwrite(readonly, "x", 1, AT(0, 0)));
    TRY(pread(writeonly, local, 1, AT(0, 0)));
    TRY(pwrite(writeonly, "w", 1, AT(0, 1)));
    TRY(ftruncate(writeonly, 0));
    TRY_OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    TRY(fsync(fd));
    struct pollfd poller = {fd, POLLIN | POLLOUT, 0};
    TRY(poll(&poller, 1, 0));
    out("-- after execve the file is of what was before\n");
    write(ends[1], "x", 1);
    for (int i = 0; i < 2000; i++) {
        char name[32] = "";
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        int file = open(path, O_RDONLY);
        read(file, name, sizeof name - 1);
        close(file);
        if (!strcmp(name, "proc_mem"))
            break;
        sleep_ms(2);
    }
    TRY(pread(fd, local, 4, AT(0, 0)));
    TRY(pwrite(fd, local, 4, AT(0, 0)));
    out("-- after its death\n");
    int fresh = opened(pid, O_RDWR);
    kill(pid, SIGKILL);
    await_state(pid, "Z");
    TRY(pread(fresh, local, 4, (long)local));
    TRY(pwrite(fresh, local, 4, (long)local));
    opened(pid, O_RDONLY);
    reap(pid);
    TRY(pread(fresh, local, 4, (long)local));
    opened(pid, O_RDONLY);
    return 0;
}
