/*
 * args -- what execve leaves on the first stack: argv, envp and the auxiliary vector
 *
 * Values that differ between hosts are only checked for being sane; all others are printed.
 * guest: args=one,two,three
 */
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    out("argc %d argv[0] %s\n", argc, base(argv[0]));
    for (int i = 1; i < argc; i++)
        out("argv[%d] %s\n", i, argv[i]);
    expect(argv[argc] == NULL, "argv ends with NULL");
    for (char **e = environ; *e; e++)
        out("env %s\n", *e);
    expect(environ == argv + argc + 1, "envp follows argv");

    /* The strings lie above the vectors, in the order argv, envp, execfn (mm->arg_start, env_start). */
    expect(argc < 2 || argv[1] == argv[0] + strlen(argv[0]) + 1, "argument strings are adjacent");
    expect(*environ == NULL || *environ == argv[argc - 1] + strlen(argv[argc - 1]) + 1, "environment strings follow them");

    out("AT_PAGESZ %lu\n", getauxval(AT_PAGESZ));
    out("AT_CLKTCK %lu\n", getauxval(AT_CLKTCK));
    out("AT_PHENT %lu\n", getauxval(AT_PHENT));
    out("AT_FLAGS %lu\n", getauxval(AT_FLAGS));
    out("AT_SECURE %lu\n", getauxval(AT_SECURE));
    out("AT_BASE %s\n", getauxval(AT_BASE) ? "interpreter" : "none");
    out("AT_UID %d EUID %d GID %d EGID %d\n", getauxval(AT_UID) == getuid(), getauxval(AT_EUID) == geteuid(),
        getauxval(AT_GID) == getgid(), getauxval(AT_EGID) == getegid());
    out("AT_PLATFORM %s\n", (char *)getauxval(AT_PLATFORM));
    out("AT_EXECFN %s\n", base((char *)getauxval(AT_EXECFN)));

    Elf64_Phdr *phdr = (Elf64_Phdr *)getauxval(AT_PHDR);
    int loads = 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        loads += phdr[i].p_type == PT_LOAD;
    expect(loads > 0, "AT_PHDR and AT_PHNUM describe PT_LOAD segments");
    unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
    int bits = 0;
    for (int i = 0; i < 16; i++)
        bits += __builtin_popcount(random[i]);
    expect(bits > 20 && bits < 108, "AT_RANDOM points at 16 random bytes");
    unsigned char *vdso = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
    expect(vdso && memcmp(vdso, ELFMAG, 4) == 0, "AT_SYSINFO_EHDR is an ELF image");
    unsigned long *entry = (unsigned long *)getauxval(AT_ENTRY);
    expect(entry != NULL && (*(unsigned char *)entry || 1), "AT_ENTRY is mapped");
    expect(getauxval(AT_HWCAP) != 0, "AT_HWCAP holds CPUID bits");
    return wrong;
}
