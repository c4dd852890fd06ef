/*
 * masks -- sigprocmask, sigpending, the mask inside handlers, NODEFER and RESETHAND
 */
#include "guest.h"

static int depth, deepest, again;

static void show_mask(const char *where)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("%s: USR1 %d USR2 %d TERM %d\n", where, sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
}

static void on_usr1(int number)
{
    show_mask("  in the handler");
    if (++depth > deepest)
        deepest = depth;
    if (again-- > 0)
        raise(SIGUSR1);
    depth--;
}

static void experiment(const char *name, int flags, int extra)
{
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = flags}, after;
    sigemptyset(&action.sa_mask);
    if (extra)
        sigaddset(&action.sa_mask, extra);
    sigaction(SIGUSR1, &action, NULL);
    out("%s\n", name);
    deepest = depth = 0;
    again = 1;
    if (flags & SA_RESETHAND)
        again = 0;
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &after);
    out("  nesting %d, handler afterwards %s\n", deepest, after.sa_handler == SIG_DFL ? "default" : "kept");
    show_mask("  afterwards");
}

int main(void)
{
    sigset_t set, old;
    experiment("plain", 0, 0);
    experiment("NODEFER", SA_NODEFER, 0);
    experiment("NODEFER with the signal in sa_mask", SA_NODEFER, SIGUSR1);
    experiment("RESETHAND", SA_RESETHAND, 0);
    experiment("RESETHAND | NODEFER", SA_RESETHAND | SA_NODEFER, 0);
    experiment("sa_mask with SIGTERM", 0, SIGTERM);

    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, &old);
    sigprocmask(SIG_BLOCK, NULL, &set);
    out("SIGKILL blocked %d, SIGSTOP blocked %d\n", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP));
    sigprocmask(SIG_SETMASK, &old, NULL);
    TRY(sigprocmask(99, &set, NULL));
    TRY(sigprocmask(99, NULL, &set));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4L));
    struct sigaction action = {.sa_handler = on_usr1};
    TRY(sigaction(SIGKILL, &action, NULL));
    TRY(sigaction(SIGSTOP, &action, NULL));
    TRY(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8L));
    TRY(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8L));
    TRY(sigaction(SIGKILL, NULL, &action));
    TRY(kill(getpid(), 65));
    TRY(kill(getpid(), -1));
    TRY(kill(getpid(), 0));

    /* A blocked signal waits and comes when the mask opens, before sigprocmask returns. */
    again = 0;
    experiment("pending", 0, 0);
    mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    out("raised while blocked\n");
    again = 0;
    mask(SIG_UNBLOCK, SIGUSR1);
    out("unblocked\n");
    return 0;
}
