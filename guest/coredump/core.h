/*
 * core.h -- reading a core file: its segments and notes.
 */
#ifndef CORE_H
#define CORE_H

#include "guest.h"
#include <elf.h>
#include <sys/procfs.h>
#include <sys/user.h>

#define PADDED(size) (((size) + 3) & ~3u)

struct core {
    char *data;
    size_t size;
    Elf64_Ehdr *header;
    Elf64_Phdr *segments;
};

/* Read the core file of that name; "no core" is printed and 0 returned if there is none. */
__attribute__((unused)) static int core_open(struct core *core, const char *name)
{
    struct stat info;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) {
        out("no core: %s\n", errno_name(errno));
        return 0;
    }
    core->size = info.st_size;
    core->data = mmap(NULL, core->size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (core->data == MAP_FAILED || core->size < sizeof(Elf64_Ehdr) || memcmp(core->data, ELFMAG, SELFMAG)) {
        out("not an ELF file\n");
        return 0;
    }
    core->header = (Elf64_Ehdr *)core->data;
    core->segments = (Elf64_Phdr *)(core->data + core->header->e_phoff);
    return 1;
}

__attribute__((unused)) static void core_close(struct core *core)
{
    munmap(core->data, core->size);
}

/* The PT_LOAD segment that begins at an address, NULL if there is none. */
__attribute__((unused)) static Elf64_Phdr *core_segment(struct core *core, const void *start)
{
    for (int i = 0; i < core->header->e_phnum; i++)
        if (core->segments[i].p_type == PT_LOAD && core->segments[i].p_vaddr == (uintptr_t)start)
            return &core->segments[i];
    return NULL;
}

/* The next note behind `note` (NULL: the first), NULL at the end; the data is stored in *data. */
static Elf64_Nhdr *core_note(struct core *core, Elf64_Nhdr *note, void **data)
{
    Elf64_Phdr *notes = core->segments;
    char *next = core->data + notes->p_offset, *end = next + notes->p_filesz;
    if (note)
        next = (char *)(note + 1) + PADDED(note->n_namesz) + PADDED(note->n_descsz);
    if (next >= end)
        return NULL;
    note = (Elf64_Nhdr *)next;
    *data = (char *)(note + 1) + PADDED(note->n_namesz);
    return note;
}

/* The n-th note (from 0) of a type, NULL if there are not so many. */
__attribute__((unused)) static void *core_find(struct core *core, unsigned type, int n)
{
    void *data;
    for (Elf64_Nhdr *note = core_note(core, NULL, &data); note; note = core_note(core, note, &data))
        if (note->n_type == type && n-- == 0)
            return data;
    return NULL;
}

/* Let this process dump core without limit. */
static void allow_core(rlim_t limit)
{
    struct rlimit core = {limit, RLIM_INFINITY};
    MUST(setrlimit(RLIMIT_CORE, &core));
}

/* Go to a fresh directory, so that nobody else's core is there. */
static void enter_directory(void)
{
    static char directory[] = "/tmp/core-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chmod(directory, 0777));
    MUST(chdir(directory));
}

static void leave_directory(void)
{
    char directory[64];
    MUST(getcwd(directory, sizeof directory) ? 0 : -1);
    MUST(chdir("/"));
    MUST(rmdir(directory));
}

#endif
