/*
 * shm_segments -- System V shared memory: identifiers, attaching, who counts as attached, removal while in use
 *
 * In an IPC namespace of its own, so that identifiers are the same everywhere.
 *
 * guest: needs=root
 */
#include "guest.h"

#include <sys/ipc.h>
#include <sys/shm.h>

enum { PAGE = 4096 };

static void show(const char *what, int id)
{
    struct shmid_ds ds;

    if (shmctl(id, IPC_STAT, &ds)) {
        out("%s: %s\n", what, errno_name(errno));
        return;
    }
    struct ipc_perm *p = &ds.shm_perm;
    out("%s: key %x seq %d mode %o owner %u:%u creator %u:%u size %lu attached %lu times %d%d pid %d\n", what,
        p->__key, p->__seq, p->mode, p->uid, p->gid, p->cuid, p->cgid, (unsigned long)ds.shm_segsz,
        (unsigned long)ds.shm_nattch, ds.shm_atime != 0, ds.shm_ctime != 0, ds.shm_cpid == getpid());
}

static void maps(const char *what, char *at)
{
    char line[256], start[32];
    FILE *file = fopen("/proc/self/maps", "r");

    snprintf(start, sizeof start, "%lx-", (unsigned long)at);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, start, strlen(start))) {
            unsigned long low, high, offset, inode;
            char permissions[8], name[64] = "", device[16];

            sscanf(line, "%lx-%lx %7s %lx %15s %lu %63[^\n]", &low, &high, permissions, &offset, device, &inode, name);
            out("%s: %lu pages %s offset %lx inode %lu %s\n", what, (high - low) / PAGE, permissions, offset, inode, name);
        }
    fclose(file);
}

static void lines(const char *what)
{
    char line[512];
    FILE *file = fopen("/proc/sysvipc/shm", "r");

    for (int n = 0; fgets(line, sizeof line, file); n++)
        if (!n)
            out("%s", line);
        else {
            int key, id, mode, used = 0;
            unsigned long size;

            sscanf(line, "%d %d %o %lu%n", &key, &id, &mode, &size, &used);
            line[used] = 0;
            out("%s:%s\n", what, line);
        }
    fclose(file);
}

static int child(void (*body)(int), int id)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        body(id);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void look(int id)
{
    show("in a child", id);
}

static void attach_and_exit(int id)
{
    char *at = shmat(id, NULL, 0);

    at[PAGE] = 'c';
    show("attached in a child", id);
}

static void other_user(int id)
{
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    errno = 0;
    out("other user: read %d", shmat(id, NULL, SHM_RDONLY) == (void *)-1);
    out(" %s", errno_name(errno));
    errno = 0;
    out(", write %d", shmat(id, NULL, 0) == (void *)-1);
    out(" %s", errno_name(errno));
    out(", remove %d", shmctl(id, IPC_RMID, NULL));
    out(" %s\n", errno_name(errno));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (unshare(CLONE_NEWIPC))
        return 1;
    int id = shmget(0x1234, 3 * PAGE - 5, IPC_CREAT | IPC_EXCL | 0640);
    out("first %d, again %d", id, shmget(0x1234, 0, 0));
    out(", excl %d", shmget(0x1234, PAGE, IPC_CREAT | IPC_EXCL));
    out(" %s", errno_name(errno));
    out(", larger %d", shmget(0x1234, 4 * PAGE, 0));
    out(" %s", errno_name(errno));
    out(", unknown %d", shmget(0x4321, PAGE, 0));
    out(" %s", errno_name(errno));
    out(", private %d\n", shmget(IPC_PRIVATE, PAGE, 0600));
    show("new", id);
    lines("new");

    char *at = shmat(id, NULL, 0), *second = shmat(id, NULL, SHM_RDONLY);
    strcpy(at, "shared");
    out("twice: %s\n", second);
    show("twice", id);
    maps("writable", at);
    maps("read only", second);
    out("mprotect: %d\n", mprotect(second, PAGE, PROT_READ | PROT_WRITE));
    child(look, id);
    child(attach_and_exit, id);
    out("from the child: %c\n", at[PAGE]);
    show("after the child", id);
    munmap(at + PAGE, PAGE);
    show("with a hole", id);
    out("detach %d", shmdt(at));
    out(" again %d", shmdt(at));
    out(" %s\n", errno_name(errno));
    show("detached", id);
    struct shmid_ds ds;
    shmctl(id, IPC_STAT, &ds);
    out("by me %d, at some time %d\n", ds.shm_lpid == getpid(), ds.shm_dtime != 0);

    child(other_user, id);
    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.mode = 0404;
    ds.shm_perm.uid = 7;
    out("set %d\n", shmctl(id, IPC_SET, &ds));
    show("set", id);
    child(other_user, id);
    out("lock %d", shmctl(id, SHM_LOCK, NULL));
    show("", id);
    out("unlock %d\n", shmctl(id, SHM_UNLOCK, NULL));

    out("remove %d\n", shmctl(id, IPC_RMID, NULL));
    show("removed", id);
    lines("removed");
    out("by key %d", shmget(0x1234, 0, 0));
    out(" %s, still %s\n", errno_name(errno), second);
    at = shmat(id, NULL, 0);
    out("attached again %s\n", at);
    shmdt(at);
    shmdt(second);
    show("gone", id);
    lines("gone");

    for (int i = 0; i < 70; i++) {
        id = shmget(IPC_PRIVATE, PAGE, 0600);
        if (i >= 60)
            out("%d ", id);
        shmctl(id, IPC_RMID, NULL);
    }
    out("\n");
    struct shm_info used;
    struct shminfo limits;
    out("info %d", shmctl(0, SHM_INFO, (struct shmid_ds *)&used));
    out(" used %d, %lu pages", used.used_ids, used.shm_tot);
    out("; limits %d", shmctl(0, IPC_INFO, (struct shmid_ds *)&limits));
    out(" %lx %lu %lu %lx\n", limits.shmmax, limits.shmmin, limits.shmmni, limits.shmall);
    out("stat of index 1: %d\n", shmctl(1, SHM_STAT, &ds));
    unshare(CLONE_NEWIPC);
    out("elsewhere: %d", shmctl(1, IPC_STAT, &ds));
    out(" %s\n", errno_name(errno));
    return 0;
}
