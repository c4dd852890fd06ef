/*
 * core_threads -- the notes of a core file: registers, signal and masks of every thread, and what is said about the process
 * guest: needs=core
 */
#include "core.h"
#include <semaphore.h>
#include <sys/prctl.h>

enum { SLEEPER, READER, SPINNER, STOPPER, THREADS };
static const char *const names[] = {"futex", "read", "user", "sigsuspend", "crash"};
static struct { pid_t tid[THREADS + 1]; } *told;
static sem_t never;
static int pipe_ends[2];
static volatile unsigned long spins;

static void ready(int which)
{
    told->tid[which] = syscall(SYS_gettid);
}

static void *sleeper(void *argument)
{
    ready(SLEEPER);
    sem_wait(&never);
    return NULL;
}

static void *reader(void *argument)
{
    mask(SIG_BLOCK, SIGUSR2);
    pthread_kill(pthread_self(), SIGUSR2);
    ready(READER);
    char byte;
    read(pipe_ends[0], &byte, 1);
    return NULL;
}

static void *spinner(void *argument)
{
    ready(SPINNER);
    __asm__ volatile("mov $0x1234567, %%r12\n movq %%r12, %%xmm7\n 1: incq %0\n jmp 1b" : "+m"(spins) : : "r12", "xmm7");
    return NULL;
}

static void *stopper(void *argument)
{
    sigset_t none;
    sigfillset(&none);
    ready(STOPPER);
    sigsuspend(&none);
    return NULL;
}

static void crash(int how)
{
    void *(*const bodies[])(void *) = {sleeper, reader, spinner, stopper};
    allow_core(RLIM_INFINITY);
    sem_init(&never, 0, 0);
    MUST(pipe(pipe_ends));
    ready(THREADS);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, bodies[i], NULL);
        while (!told->tid[i])
            sleep_ms(1);
    }
    while (spins < 1000)
        sleep_ms(1);
    sleep_ms(20);
    if (how == 0)
        __asm__ volatile("mov $0x77, %%ebx\n mov $0x5555000, %%eax\n movb $1, (%%rax)" : : : "rax", "rbx");
    if (how == 1)
        syscall(SYS_tgkill, getpid(), told->tid[READER], SIGQUIT);
    if (how == 2) {
        prctl(PR_SET_NAME, "a name of a thread");
        union sigval value = {.sival_int = 42};
        sigqueue(getpid(), SIGSYS, value);
    }
    sleep_ms(1000);
}

static void show(struct core *core, int status)
{
    int count = 0;
    prstatus_t *thread;
    void *data;
    out("%s\n", status_name(status));
    out("type %d machine %d flags %d phentsize %d\n", core->header->e_type, core->header->e_machine, core->header->e_flags,
        core->header->e_phentsize);
    for (int i = 0; (thread = core_find(core, NT_PRSTATUS, i)); i++, count++)
        if (i == 0)
            for (int which = 0; which <= THREADS; which++)
                if (told->tid[which] == thread->pr_pid)
                    out("first: %s\n", names[which]);
    for (int which = 0; which <= THREADS; which++) {
        int i = 0;
        while ((thread = core_find(core, NT_PRSTATUS, i)) && thread->pr_pid != told->tid[which])
            i++;
        if (!expect(thread != NULL, "%s: there", names[which]))
            continue;
        struct user_regs_struct *regs = (void *)thread->pr_reg;
        expect(thread->pr_info.si_signo == WTERMSIG(status) && thread->pr_cursig == WTERMSIG(status) && !thread->pr_info.si_code,
               "%s: signal", names[which]);
        expect(thread->pr_fpvalid == 1 && thread->pr_ppid == getpid() && thread->pr_pgrp == getpgrp() && thread->pr_sid == getsid(0),
               "%s: ids", names[which]);
        out("%s: held %#lx pending %#lx\n", names[which], thread->pr_sighold, thread->pr_sigpend);
        struct user_fpregs_struct *fp = core_find(core, NT_PRFPREG, i);
        switch (which) {
        case SPINNER:
            expect(regs->r12 == 0x1234567 && fp->xmm_space[28] == 0x1234567, "user: registers");
            expect((long)regs->orig_rax == -1, "user: in no call");
            break;
        case THREADS:
            if (WTERMSIG(status) == SIGSEGV)
                expect(regs->rax == 0x5555000 && regs->rbx == 0x77 && (long)regs->orig_rax == -1, "crash: registers");
            break;
        default:
            out("%s: call %lld result %lld\n", names[which], (long long)regs->orig_rax, (long long)regs->rax);
        }
    }
    out("%d threads\n", count);
    for (Elf64_Nhdr *note = core_note(core, NULL, &data); note; note = core_note(core, note, &data))
        if (!strcmp((char *)(note + 1), "CORE") && note->n_type != NT_FILE && note->n_type != NT_AUXV && note->n_type != NT_FPREGSET)
            out("note %x of %u bytes\n", note->n_type, note->n_descsz);
    prpsinfo_t *process = core_find(core, NT_PRPSINFO, 0);
    out("process: %s (%s) uid %u zombie %d state %d '%c'\n", process->pr_fname,
        strrchr(process->pr_psargs, '/') ? strrchr(process->pr_psargs, '/') + 1 : "", process->pr_uid,
        process->pr_zomb, process->pr_state, process->pr_sname);
    expect(process->pr_ppid == getpid() && process->pr_pgrp == getpgrp() && process->pr_pid == told->tid[THREADS], "process: ids");
    expect(process->pr_nice == getpriority(PRIO_PROCESS, 0), "process: nice value");
    siginfo_t *info = core_find(core, NT_SIGINFO, 0);
    out("siginfo: %s code %d", signal_name(info->si_signo), info->si_code);
    if (info->si_code > 0)
        out(" address %p\n", info->si_addr);
    else
        out(" value %d, %s\n", info->si_code == SI_QUEUE ? info->si_value.sival_int : 0,
            info->si_pid == told->tid[THREADS] ? "own pid" : "another's pid");
    Elf64_auxv_t *auxv = core_find(core, NT_AUXV, 0);
    int entry = 0;
    for (; auxv->a_type != AT_NULL; auxv++)
        entry += auxv->a_type == AT_PAGESZ && auxv->a_un.a_val == 4096;
    expect(entry == 1, "auxiliary vector");
    unsigned long *files = core_find(core, NT_FILE, 0);
    char *name = (char *)(files + 2 + 3 * files[0]);
    int mine = 0;
    for (unsigned long i = 0; i < files[0]; i++, name += strlen(name) + 1)
        mine += strstr(name, "core_threads") && files[2 + 3 * i] <= (uintptr_t)crash && (uintptr_t)crash < files[3 + 3 * i];
    expect(files[1] == 4096 && mine == 1, "the mapped files have the program's code");
}

int main(void)
{
    enter_directory();
    told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int how = 0; how < 3; how++) {
        struct core core;
        memset(told, 0, sizeof *told);
        int status = reap(FORK(crash(how)));
        if (core_open(&core, "core")) {
            show(&core, status);
            core_close(&core);
        }
        unlink("core");
    }
    leave_directory();
    return wrong;
}
