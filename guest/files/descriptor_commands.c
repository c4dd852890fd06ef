/*
 * descriptor_commands -- what fcntl(2) and the attribute calls say about an ordinary file
 * guest: needs=proc
 */
#include "guest.h"

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

static void owners(int fd)
{
    TRY(fcntl(fd, F_GETSIG));
    TRY(fcntl(fd, F_SETSIG, SIGUSR1));
    TRY(fcntl(fd, F_GETSIG));
    TRY(fcntl(fd, F_SETSIG, 0));
    TRY(fcntl(fd, F_GETSIG));
    TRY(fcntl(fd, F_SETSIG, 64));
    TRY(fcntl(fd, F_SETSIG, 65));
    TRY(fcntl(fd, F_SETSIG, -1));
    TRY(fcntl(fd, F_GETSIG));
    TRY(fcntl(fd, F_GETOWN));
    TRY(fcntl(fd, F_SETOWN, 0x3fffffff));
    TRY(fcntl(fd, F_SETOWN, -0x3fffffff));
    TRY(fcntl(fd, F_SETOWN, INT_MIN));
    TRY(fcntl(fd, F_GETOWN));
    out("own: %d\n", fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_GETOWN) == getpid());
    TRY(fcntl(fd, F_SETOWN, 0x3fffffff));
    out("still own: %d\n", fcntl(fd, F_GETOWN) == getpid());
    struct {
        int type, pid;
    } owner = {9, 0};
    TRY(fcntl(fd, 15, &owner));
    owner.type = 1;
    owner.pid = 0x3fffffff;
    TRY(fcntl(fd, 15, &owner));
    owner.type = 1;
    owner.pid = getpid();
    TRY(fcntl(fd, 15, &owner));
    owner.type = 9;
    TRY(fcntl(fd, 16, &owner));
    out("type %d own %d\n", owner.type, owner.pid == getpid());
    TRY(fcntl(fd, F_SETOWN, 0));
    TRY(fcntl(fd, F_GETOWN));
    TRY(fcntl(fd, 16, &owner));
    out("type %d pid %d\n", owner.type, owner.pid);
}

static void seals(void)
{
    int null = open("/dev/null", O_RDWR);
    TRY(fcntl(null, 1033, 1));
    TRY(fcntl(null, 1034));
    close(null);
    int readonly = open("file", O_RDONLY);
    TRY(fcntl(readonly, 1033, 1));
    TRY(fcntl(readonly, F_GETLEASE));
    close(readonly);
    int memory = syscall(SYS_memfd_create, "m", 0);
    TRY(fcntl(memory, 1034));
    TRY(fcntl(memory, 1033, 1));
    close(memory);
    memory = syscall(SYS_memfd_create, "m", 2);
    TRY(fcntl(memory, 1034));
    TRY(fcntl(memory, 1033, 0x100));
    TRY(fcntl(memory, 1033, 4));
    TRY(fcntl(memory, 1034));
    TRY(ftruncate(memory, 10));
    close(memory);
    int pipes[2];
    MUST(pipe(pipes));
    TRY(fcntl(pipes[1], 1033, 1));
    TRY(fcntl(pipes[1], 1034));
    TRY(fcntl(pipes[0], F_GETLEASE));
    TRY(fcntl(pipes[0], F_SETLEASE, F_RDLCK));
    close(pipes[0]);
    close(pipes[1]);
}

static void show_lock(int fd, int command, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    int result = fcntl(fd, command, &lock);
    out("lock %d: %d %s type %d start %ld length %ld pid %d\n", type, result, result ? errno_name(errno) : "", lock.l_type,
        (long)lock.l_start, (long)lock.l_len, lock.l_pid == getpid() ? 1 : lock.l_pid);
}

static void locks(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
    TRY(fcntl(fd, F_OFD_SETLK, &lock));
    show_lock(fd, F_OFD_GETLK, F_WRLCK);
    show_lock(fd, F_GETLK, F_WRLCK);
    show_lock(fd, F_OFD_GETLK, F_UNLCK);
    show_lock(fd, F_GETLK, F_UNLCK);
    int other = open("file", O_RDWR);
    show_lock(other, F_OFD_GETLK, F_WRLCK);
    show_lock(other, F_OFD_GETLK, F_RDLCK);
    show_lock(other, F_OFD_GETLK, F_UNLCK);
    lock.l_type = F_UNLCK;
    TRY(fcntl(fd, F_OFD_SETLK, &lock));
    show_lock(other, F_OFD_GETLK, F_UNLCK);
    lock.l_type = F_WRLCK;
    TRY(fcntl(fd, F_SETLK, &lock));
    show_lock(fd, F_GETLK, F_WRLCK);
    show_lock(fd, F_OFD_GETLK, F_WRLCK);
    show_lock(other, F_OFD_GETLK, F_UNLCK);
    close(other);
}

static void attributes(void)
{
    char value[100];
    struct stat st;
    TRY(syscall(SYS_getxattr, "file", "system.posix_acl_access", value, sizeof value));
    TRY(syscall(SYS_getxattr, "file", "system.posix_acl_access", NULL, 0));
    TRY(syscall(SYS_getxattr, ".", "system.posix_acl_default", value, sizeof value));
    TRY(syscall(SYS_getxattr, "file", "system.other", value, sizeof value));
    TRY(syscall(SYS_getxattr, "file", "security.capability", value, sizeof value));
    TRY(syscall(SYS_getxattr, "file", "user.none", value, sizeof value));
    TRY(syscall(SYS_getxattr, "file", "nonsense", value, sizeof value));
    TRY(syscall(SYS_getxattr, "/proc/self/status", "system.posix_acl_access", value, sizeof value));
    TRY(stat("/proc/self/status", &st));
    out("proc blocks of %ld\n", (long)st.st_blksize);
    TRY(stat("/proc/self", &st));
    out("proc blocks of %ld\n", (long)st.st_blksize);
    TRY(stat("/proc/self/fd", &st));
    out("proc blocks of %ld\n", (long)st.st_blksize);
    TRY(stat("/proc", &st));
    out("proc blocks of %ld\n", (long)st.st_blksize);
}

int main(void)
{
    char directory[] = "commands-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    MUST(write(fd, "hello", 5));
    owners(fd);
    seals();
    locks(fd);
    close(fd);
    attributes();
    unlink("file");
    chdir("..");
    out("removed %d\n", rmdir(directory));
    return 0;
}
