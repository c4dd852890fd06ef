/*
 * mappings -- maps, smaps, smaps_rollup, map_files, pagemap, clear_refs and statm of memory a process has made itself
 * guest: needs=proc,root
 */
#include "procfile.h"

#define PAGE 4096UL

static char *area;
static size_t pages = 16;

static unsigned long long pagemap(void *address)
{
    unsigned long long entry = 0;
    int fd = MUST(open("/proc/self/pagemap", O_RDONLY));
    MUST(pread(fd, &entry, 8, (unsigned long)address / PAGE * 8));
    close(fd);
    return entry;
}

/* The lines of smaps that tell sizes of the area at an address. */
static void smaps(const char *what, void *address)
{
    char start[32];
    MUST(slurp("/proc/self/smaps"));
    snprintf(start, sizeof start, "%08lx-", (unsigned long)address);
    char *at = strstr(text, start);
    if (!at) {
        out("%s: not there\n", what);
        return;
    }
    char permissions[8];
    sscanf(at, "%*s %7s", permissions);
    out("%s: %s", what, permissions);
    const char *keys[] = {"Size:", "Rss:", "Pss:", "Pss_Dirty:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:", "Private_Dirty:",
                          "Referenced:", "Anonymous:", "Locked:"};
    for (int i = 0; i < 11; i++) {
        char key[32];
        snprintf(key, sizeof key, "\n%s", keys[i]);
        char *found = strstr(at, key);
        out(" %s%ld", keys[i], found ? atol(found + strlen(key)) : -1);
    }
    char *flags = strstr(at, "VmFlags: ") + 9;
    out(" [%.*s]\n", (int)strcspn(flags, "\n"), flags);
}

static void bits(const char *what, void *address)
{
    unsigned long long entry = pagemap(address);
    out("%s: present %d, file %d, exclusive %d, frame %s\n", what, (int)(entry >> 63 & 1), (int)(entry >> 61 & 1),
        (int)(entry >> 56 & 1), entry & ((1ULL << 55) - 1) ? "told" : "0");
}

static void clear(const char *what)
{
    int fd = MUST(open("/proc/self/clear_refs", O_WRONLY));
    MUST(write(fd, what, 1));
    close(fd);
}

int main(void)
{
    memset(text, 1, sizeof text);
    area = (char *)MUST(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(area + 15 * PAGE, PAGE, PROT_NONE);
    smaps("untouched", area);
    bits("untouched", area);
    memset(area, 1, 4 * PAGE);
    volatile char sink = area[8 * PAGE];
    (void)sink;
    smaps("four written, one read", area);
    bits("written", area);
    bits("absent", area + 12 * PAGE);
    bits("beyond", (void *)0x10000);
    MUST(mlock(area, 2 * PAGE));
    smaps("locked", area);
    MUST(munlock(area, 2 * PAGE));
    clear("1");
    smaps("cleared", area);
    int child = FORK(pause());
    await_state(child, "S");
    smaps("shared with a child", area);
    bits("shared with a child", area + PAGE);
    kill(child, SIGKILL);
    reap(child);
    bits("alone again", area + PAGE);
    char name[] = "mapped-file";
    int fd = MUST(open(name, O_CREAT | O_RDWR | O_TRUNC, 0600));
    MUST(ftruncate(fd, 8 * PAGE));
    char *file = (char *)MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    file[0] = 1;
    bits("shared file page", file);
    char *copy = (char *)MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    copy[PAGE] = 1;
    bits("private copy", copy + PAGE);
    char path[128], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)copy, (unsigned long)copy + 4 * PAGE);
    long length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    out("map_files leads to %s\n", strrchr(target, '/') ? strrchr(target, '/') + 1 : errno_name(errno));
    struct stat link, there;
    MUST(lstat(path, &link));
    out("its mode is %o, its size %ld\n", link.st_mode, (long)link.st_size);
    expect(stat(path, &there) == 0 && there.st_size == 8 * PAGE, "following it finds the file");
    snprintf(path, sizeof path, "/proc/self/map_files/0%lx-%lx", (unsigned long)copy, (unsigned long)copy + 4 * PAGE);
    TRY(access("/proc/self/map_files/zz", F_OK));
    out("with a leading zero: %s\n", access(path, F_OK) ? errno_name(errno) : "found");
    unlink(name);
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)copy, (unsigned long)copy + 4 * PAGE);
    length = readlink(path, target, sizeof target - 1);
    target[length] = 0;
    expect(strstr(target, "mapped-file (deleted)") != NULL, "deleted");
    int pm = MUST(open("/proc/self/pagemap", O_RDONLY));
    char buffer[64];
    TRY(pread(pm, buffer, 7, 0));
    TRY(pread(pm, buffer, 8, 4));
    TRY(pread(pm, buffer, 16, 0));
    TRY(pread(pm, buffer, 16, 1L << 40));
    long rss = 0, rollup;
    MUST(slurp("/proc/self/smaps"));
    for (char *at = text; (at = strstr(at, "\nRss:")); at++)
        rss += atol(at + 5);
    MUST(slurp("/proc/self/smaps_rollup"));
    rollup = atol(strstr(text, "\nRss:") + 5);
    expect(rss == rollup, "smaps_rollup is the sum");
    long size, resident, shared;
    for (int i = 0; i < 2; i++) { /* the second time all code that runs is in memory */
        MUST(slurp("/proc/self/status"));
        field("RssFile:");
        MUST(slurp("/proc/self/statm"));
        sscanf(text, "%ld %ld %ld", &size, &resident, &shared);
    }
    MUST(slurp("/proc/self/status"));
    expect(atol(field("VmSize:")) == size * 4 && atol(field("VmRSS:")) == resident * 4, "statm and status agree");
    expect(atol(field("RssFile:")) + atol(field("RssShmem:")) == shared * 4, "shared pages are those of files and shared memory");
    expect(atol(field("VmRSS:")) == atol(field("RssAnon:")) + shared * 4, "resident is the sum");
    return wrong;
}
