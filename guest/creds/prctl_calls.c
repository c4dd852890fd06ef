/*
 * prctl_calls -- prctl's per-thread and per-process attributes, personality, and their errors
 */
#include "guest.h"
#include <sys/personality.h>
#include <sys/prctl.h>

static void *other(void *argument)
{
    char name[17] = "";
    int value = -1;
    prctl(PR_GET_NAME, name);
    out("a thread inherits the name %s", name);
    prctl(PR_GET_PDEATHSIG, &value);
    out(" but not PDEATHSIG: %d\n", value);
    prctl(PR_SET_NAME, "second");
    out("no_new_privs in it: %d, dumpable %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE));
    prctl(PR_SET_DUMPABLE, 0);
    return NULL;
}

int main(void)
{
    char name[17] = "";
    int value = -1;
    TRY(prctl(PR_SET_NAME, "a name that is too long"));
    prctl(PR_GET_NAME, name);
    out("name %s\n", name);
    TRY(prctl(PR_SET_NAME, 8));
    TRY(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    prctl(PR_GET_PDEATHSIG, &value);
    out("pdeathsig %d\n", value);
    TRY(prctl(PR_SET_PDEATHSIG, 65));
    TRY(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_SET_DUMPABLE, 2));
    TRY(prctl(PR_SET_DUMPABLE, 1));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_GET_KEEPCAPS));
    TRY(prctl(PR_SET_KEEPCAPS, 2));
    TRY(prctl(PR_SET_TIMERSLACK, 12345));
    TRY(prctl(PR_GET_TIMERSLACK));
    TRY(prctl(PR_GET_TIMING));
    TRY(prctl(PR_SET_TIMING, 1));
    TRY(prctl(PR_GET_SECCOMP));
    TRY(prctl(PR_GET_TSC, &value));
    out("tsc %d\n", value);
    int *tid;
    TRY(prctl(PR_GET_TID_ADDRESS, &tid));
    TRY(prctl(12345, 0, 0, 0, 0));
    pthread_t thread;
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
    prctl(PR_GET_NAME, name);
    out("our name is still %s, dumpable is shared: %d\n", name, prctl(PR_GET_DUMPABLE));
    reap(FORK({
        prctl(PR_GET_PDEATHSIG, &value);
        out("child: pdeathsig %d no_new_privs %d dumpable %d timerslack %d\n", value, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
            prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK));
    }));
    TRY(personality(0xffffffff));
    TRY(personality(ADDR_NO_RANDOMIZE));
    TRY(personality(0xffffffff));
    reap(FORK(TRY(personality(0xffffffff))));
    TRY(personality(0));
    return 0;
}
