/* Starting the engine so that abort() inside it does not end the machine. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "_core.h"

#ifndef _WIN32
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#define CAN_ESCAPE 1
#endif

#ifdef CAN_ESCAPE
/* A few senseless instructions (LOCK in front of BTR with a register) make TCG call abort() where a processor reports
 * #UD.  A program must not be able to end the machine, so abort() inside the engine jumps back here: C11 7.22.4.1
 * allows a SIGABRT handler not to return.  The engine counts each such jump as a run that still goes on and gives up after
 * 60 of them (ERR_RESOURCE).  A signal handler has no argument but the number; hence the statics. */
static sigjmp_buf escape;
static volatile sig_atomic_t may_escape;
static pthread_t escaping_thread;
static struct sigaction previous_abort;

static void on_abort(int number)
{
    if (may_escape && pthread_equal(pthread_self(), escaping_thread)) {
        may_escape = 0;
        siglongjmp(escape, 1);
    }
    sigaction(number, &previous_abort, NULL);
    raise(number);
}

int start_engine(Core *core, uint64_t rip)
{
    struct sigaction action;
    int error;
    memset(&action, 0, sizeof action);
    if (sigsetjmp(escape, 0) == 0) {
        escaping_thread = pthread_self();
        may_escape = 1;
        error = core->emu_start(core->uc, rip, 0, 0, 0);
        may_escape = 0;
        return error;
    }
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &action.sa_mask, NULL);
    core->trap = TRAP_NONE;
    return ERR_INSN_INVALID;
}

void watch_abort(void)
{
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_abort;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_NODEFER;
    if (sigaction(SIGABRT, NULL, &before) == 0 && before.sa_handler != on_abort) {
        previous_abort = before;
        sigaction(SIGABRT, &action, NULL);
    }
}
#else
int start_engine(Core *core, uint64_t rip)
{
    return core->emu_start(core->uc, rip, 0, 0, 0);
}

void watch_abort(void)
{
}
#endif
