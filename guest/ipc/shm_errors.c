/*
 * shm_errors -- the ways in which shmget, shmat, shmdt and shmctl refuse
 *
 * guest: needs=root
 */
#include "guest.h"

#include <sys/ipc.h>
#include <sys/shm.h>

enum { PAGE = 4096 };

static void got(const char *what, long result)
{
    out("%s: %s\n", what, result == -1 ? errno_name(errno) : "works");
}

int main(void)
{
    struct shmid_ds ds;

    if (unshare(CLONE_NEWIPC))
        return 1;
    got("size 0", shmget(IPC_PRIVATE, 0, 0600));
    got("size -1", shmget(IPC_PRIVATE, -1, 0600));
    got("size 2^46", shmget(IPC_PRIVATE, 1UL << 46, 0600));
    int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);

    got("id -1", (long)shmat(-1, NULL, 0));
    got("unknown id", (long)shmat(id + 5, NULL, 0));
    got("old id", (long)shmat(id + 32768, NULL, 0));
    char *room = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    got("taken", (long)shmat(id, room, 0));
    got("unaligned", (long)shmat(id, room + 1, SHM_REMAP));
    got("rounded", (long)shmat(id, room + 1, SHM_REMAP | SHM_RND));
    got("rounded to nothing", (long)shmat(id, (void *)1, SHM_REMAP | SHM_RND));
    got("remap nothing", (long)shmat(id, NULL, SHM_REMAP));
    munmap(room + 4 * PAGE, 4 * PAGE);
    got("free", (long)shmat(id, room + 4 * PAGE, 0));
    got("overlapping its end", (long)shmat(id, room + 5 * PAGE, 0));
    got("beyond the end", (long)shmat(id, (void *)(1UL << 47), 0));
    got("high", (long)shmat(id, (void *)-(long)PAGE, 0));

    got("detach unaligned", shmdt(room + 1));
    got("detach the middle", shmdt(room + PAGE));
    got("detach nothing", shmdt(room + 6 * PAGE));
    got("detach other memory", shmdt(room + 2 * PAGE));
    got("detach", shmdt(room));

    got("command", shmctl(id, 77, &ds));
    got("command -1", shmctl(id, -1, &ds));
    got("stat of -1", shmctl(-1, IPC_STAT, &ds));
    got("stat to nowhere", shmctl(id, IPC_STAT, NULL));
    got("set from nowhere", shmctl(id, IPC_SET, NULL));
    got("set of an unknown one from nowhere", shmctl(id + 1, IPC_SET, NULL));
    got("stat of an unknown index", shmctl(5, SHM_STAT, &ds));
    got("lock of an unknown one", shmctl(id + 1, SHM_LOCK, NULL));
    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.uid = -1;
    got("owner -1", shmctl(id, IPC_SET, &ds));
    setresuid(1000, 1000, 1000);
    got("stat by another", shmctl(id, IPC_STAT, &ds));
    got("stat of any by another", shmctl(id, SHM_STAT_ANY, &ds));
    got("lock by another", shmctl(id, SHM_LOCK, NULL));
    got("set by another", shmctl(id, IPC_SET, &ds));
    int mine = shmget(IPC_PRIVATE, PAGE, 0);
    got("own without permission", (long)shmat(mine, NULL, SHM_RDONLY));
    got("own removed", shmctl(mine, IPC_RMID, NULL));
    struct rlimit none = {0, 0};
    mine = shmget(IPC_PRIVATE, PAGE, 0600);
    setrlimit(RLIMIT_MEMLOCK, &none);
    got("lock without a limit", shmctl(mine, SHM_LOCK, NULL));
    got("unlock", shmctl(mine, SHM_UNLOCK, NULL));
    return 0;
}
