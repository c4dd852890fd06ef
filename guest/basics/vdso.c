/*
 * vdso -- the functions of the vDSO image are found by its symbol table and agree with the system calls
 */
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

static void *lookup(const char *wanted)
{
    char *image = (char *)getauxval(AT_SYSINFO_EHDR);
    Elf64_Ehdr *header = (Elf64_Ehdr *)image;
    Elf64_Phdr *segments = (Elf64_Phdr *)(image + header->e_phoff);
    char *bias = image;
    Elf64_Dyn *dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD)
            bias = image + segments[i].p_offset - segments[i].p_vaddr;
        if (segments[i].p_type == PT_DYNAMIC)
            dynamic = (Elf64_Dyn *)(image + segments[i].p_offset);
    }
    Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    unsigned count = 0;
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        char *where = bias + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = (Elf64_Sym *)where;
        else if (dynamic->d_tag == DT_STRTAB)
            strings = where;
        else if (dynamic->d_tag == DT_HASH)
            count = ((unsigned *)where)[1];
        else if (dynamic->d_tag == DT_GNU_HASH && count == 0) {
            unsigned *table = (unsigned *)where, buckets = table[0], base = table[1];
            unsigned *bucket = table + 4 + 2 * table[2], *chain = bucket + buckets;
            for (unsigned i = 0; i < buckets; i++)
                for (unsigned s = bucket[i]; s >= base; s++) {
                    if (s + 1 > count)
                        count = s + 1;
                    if (chain[s - base] & 1)
                        break;
                }
        }
    }
    for (unsigned i = 0; symbols && i < count; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && strcmp(strings + symbols[i].st_name, wanted) == 0)
            return bias + symbols[i].st_value;
    return NULL;
}

int main(void)
{
    int (*vclock)(clockid_t, struct timespec *) = lookup("__vdso_clock_gettime");
    int (*vday)(struct timeval *, void *) = lookup("__vdso_gettimeofday");
    time_t (*vtime)(time_t *) = lookup("__vdso_time");
    int (*vcpu)(unsigned *, unsigned *, void *) = lookup("__vdso_getcpu");
    expect(vclock && vday && vtime && vcpu, "clock_gettime, gettimeofday, time and getcpu are exported");
    if (!vclock || !vday || !vtime || !vcpu)
        return 1;
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
    for (int i = 0; i < 5; i++) {
        struct timespec before, middle, after;
        syscall(SYS_clock_gettime, clocks[i], &before);
        int result = vclock(clocks[i], &middle);
        syscall(SYS_clock_gettime, clocks[i], &after);
        long long b = before.tv_sec * 1000000000LL + before.tv_nsec, m = middle.tv_sec * 1000000000LL + middle.tv_nsec;
        long long a = after.tv_sec * 1000000000LL + after.tv_nsec;
        expect(result == 0 && b <= m && m <= a, "clock %d lies between two system calls", clocks[i]);
    }
    struct timespec t;
    expect(vclock(CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "a clock of the process works too");
    out("unknown clock: %d\n", vclock(77, &t));
    struct timeval day;
    out("gettimeofday: %d\n", vday(&day, NULL));
    time_t stored, now = vtime(&stored);
    expect(now == stored && now - day.tv_sec <= 1 && now >= day.tv_sec - 1, "time agrees");
    unsigned cpu = 77777, node = 77777;
    out("getcpu: %d\n", vcpu(&cpu, &node, NULL));
    expect(cpu < 4096 && node < 64, "processor and node are sane");
    return wrong;
}
