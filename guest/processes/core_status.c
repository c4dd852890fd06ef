/*
 * core_status -- which default actions dump core: the bit is set in the status when RLIMIT_CORE allows one
 */
#include "guest.h"
#include <sys/prctl.h>

static const char *die(int number, rlim_t limit, int dumpable)
{
    pid_t pid = FORK({
        struct rlimit core = {limit, limit};
        setrlimit(RLIMIT_CORE, &core);
        if (!dumpable)
            prctl(PR_SET_DUMPABLE, 0);
        raise(number);
    });
    const char *text = status_name(reap(pid));
    unlink("core");
    return text;
}

int main(void)
{
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_max == 0) {
        out("skipped: RLIMIT_CORE cannot be raised\n");
        return 0;
    }
    char directory[] = "core-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    for (int number = 1; number <= 31; number++)
        if (number != SIGSTOP && number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
            out("%s: %s\n", signal_name(number), die(number, 1 << 20, 1));
    out("RLIMIT_CORE 0: %s\n", die(SIGSEGV, 0, 1));
    out("not dumpable: %s\n", die(SIGSEGV, 1 << 20, 0));
    siginfo_t info;
    pid_t pid = FORK({
        core.rlim_cur = 1 << 20;
        setrlimit(RLIMIT_CORE, &core);
        abort();
    });
    waitid(P_PID, pid, &info, WEXITED);
    out("waitid: %s\n", info.si_code == CLD_DUMPED ? "CLD_DUMPED" : "other");
    unlink("core");
    chdir("..");
    rmdir(directory);
    return 0;
}
