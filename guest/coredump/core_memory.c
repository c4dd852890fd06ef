/*
 * core_memory -- which areas of memory a core file has, for every setting of /proc/PID/coredump_filter
 * guest: needs=core
 */
#include "core.h"

#define HUGE (4L << 30)

enum { PAGES = 3, SIZE = PAGES * 4096 };
static char *huge, *anonymous, *untouched, *shared, *file_private, *file_written, *file_shared, *unlinked, *left_out, *read_only, *elf;

static char *map_file(const char *name, int flags, int keep)
{
    int fd = MUST(open(name, O_RDWR | O_CREAT, 0600));
    MUST(ftruncate(fd, SIZE));
    MUST(pwrite(fd, name, strlen(name), 0));
    if (!keep)
        unlink(name);
    char *where = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
    close(fd);
    return where;
}

/* Guard pages without access keep neighbours from being joined. */
static char *map(int flags, int prot)
{
    char *guard = mmap(NULL, SIZE + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mmap(guard + 4096, SIZE, prot, flags | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

static void set_up(void)
{
    anonymous = map(MAP_PRIVATE, PROT_READ | PROT_WRITE);
    memcpy(anonymous, "private", 8);
    memcpy(anonymous + 8192, "third page", 11);
    untouched = map(MAP_PRIVATE, PROT_READ | PROT_WRITE);
    read_only = map(MAP_PRIVATE, PROT_READ | PROT_WRITE);
    memcpy(read_only, "protected", 10);
    MUST(mprotect(read_only, SIZE, PROT_NONE));
    left_out = map(MAP_PRIVATE, PROT_READ | PROT_WRITE);
    memcpy(left_out, "secret", 7);
    MUST(madvise(left_out, SIZE, MADV_DONTDUMP));
    shared = map(MAP_SHARED, PROT_READ | PROT_WRITE);
    memcpy(shared, "shared", 7);
    file_private = map_file("private", MAP_PRIVATE, 1);
    file_written = map_file("written", MAP_PRIVATE, 1);
    memcpy(file_written + 4096, "written", 8);
    file_shared = map_file("both", MAP_SHARED, 1);
    unlinked = map_file("gone", MAP_SHARED, 0);
    /* Nearly all of it is a hole in the file. */
    huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    huge[0] = huge[HUGE - 1] = 'x';
    int fd = MUST(open("/proc/self/exe", O_RDONLY));
    elf = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
}

static void show(struct core *core, const char *name, const char *where, const char *text, int offset)
{
    Elf64_Phdr *segment = core_segment(core, where);
    if (!segment) {
        out("  %s: no segment\n", name);
        return;
    }
    int there = segment->p_filesz > (unsigned)offset;
    out("  %s: %lu of %lu bytes, %c%c%c%s\n", name, segment->p_filesz, segment->p_memsz, segment->p_flags & PF_R ? 'r' : '-',
        segment->p_flags & PF_W ? 'w' : '-', segment->p_flags & PF_X ? 'x' : '-',
        !there ? "" : memcmp(core->data + segment->p_offset + offset, text, strlen(text)) ? ", WRONG content" : ", content");
}

static void dump(const char *filter)
{
    pid_t pid = FORK({
        allow_core(RLIM_INFINITY);
        int fd = MUST(open("/proc/self/coredump_filter", O_RDWR));
        if (filter) {
            MUST(write(fd, filter, strlen(filter)));
            char now[32] = "";
            MUST(pread(fd, now, 31, 0));
            out("filter %s: %s", filter, now);
        }
        abort();
    });
    int status = reap(pid);
    out("%s\n", status_name(status));
    struct core core;
    if (!core_open(&core, "core"))
        return;
    show(&core, "private", anonymous, "third page", 8192);
    show(&core, "huge", huge, "x", 0);
    show(&core, "untouched", untouched, "", 0);
    show(&core, "without access", read_only, "protected", 0);
    show(&core, "MADV_DONTDUMP", left_out, "secret", 0);
    show(&core, "shared", shared, "shared", 0);
    show(&core, "file, private", file_private, "private", 0);
    show(&core, "file, private and written", file_written, "written", 4096);
    show(&core, "file, shared", file_shared, "both", 0);
    show(&core, "unlinked file, shared", unlinked, "gone", 0);
    show(&core, "ELF header", elf, ELFMAG, 0);
    /* Every byte of every segment is in the file. */
    size_t end = 0;
    int unordered = 0;
    for (int i = 1; i < core.header->e_phnum; i++) {
        unordered += core.segments[i].p_vaddr < core.segments[i - 1].p_vaddr || core.segments[i].p_offset < core.segments[i - 1].p_offset;
        end = core.segments[i].p_offset + core.segments[i].p_filesz;
    }
    expect(core.size == end && !unordered, "the file ends with its last segment, and segments are in order");
    core_close(&core);
    unlink("core");
}

int main(void)
{
    enter_directory();
    set_up();
    dump(NULL);
    for (int bit = 0; bit < 5; bit++) {
        char text[8];
        snprintf(text, sizeof text, "%#x", 1 << bit);
        dump(text);
    }
    dump("0");
    dump("0x7f");
    dump("017");
    /* The filter goes to children, and bad numbers change nothing. */
    int fd = MUST(open("/proc/self/coredump_filter", O_RDWR));
    MUST(write(fd, "0x12\n", 5));
    TRY(write(fd, "x", 1));
    TRY(write(fd, "-1", 2));
    TRY(write(fd, "0x1ffffffff", 11));
    TRY(write(fd, "0xfffffe12", 10));
    FORK({
        char now[32] = "";
        MUST(pread(MUST(open("/proc/self/coredump_filter", O_RDONLY)), now, 31, 0));
        out("child: %s", now);
    });
    wait(NULL);
    unlink("private");
    unlink("written");
    unlink("both");
    leave_directory();
    return wrong;
}
