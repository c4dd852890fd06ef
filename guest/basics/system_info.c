/*
 * system_info -- uname, sysinfo, getrandom, getcpu, sysconf-like calls answer sanely
 */
#include "guest.h"
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
    struct utsname name;
    TRY(uname(&name));
    out("%s %s\n", name.sysname, name.machine);
    int major = 0, minor = 0;
    expect(sscanf(name.release, "%d.%d", &major, &minor) == 2 && major >= 4, "release is a version");
    struct sysinfo info;
    TRY(sysinfo(&info));
    expect(info.totalram >= info.freeram && info.totalram > 0 && info.mem_unit > 0, "memory sizes are sane");
    expect(info.procs > 0 && info.uptime >= 0, "processes and uptime too");
    unsigned char a[64], b[64];
    TRY(getrandom(a, sizeof a, 0));
    TRY(getrandom(b, sizeof b, GRND_NONBLOCK));
    expect(memcmp(a, b, sizeof a) != 0, "two readings of the random source differ");
    TRY(getrandom(a, 1, 0x80));
    TRY(getrandom((void *)8, 1, 0));
    unsigned cpu = 99999, node = 99999;
    TRY(syscall(SYS_getcpu, &cpu, &node, NULL));
    expect(cpu < 4096 && node < 64, "getcpu");
    cpu_set_t set;
    expect(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1, "affinity has a processor");
    out("page size %ld\n", sysconf(_SC_PAGESIZE));
    out("host name %s\n", name.nodename[0] ? "set" : "empty");
    TRY(sethostname(NULL, -1));
    return wrong;
}
