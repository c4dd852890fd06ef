/*
 * stats -- stat, fstat, lstat, fstatat, statx and statfs agree; times and modes change when they should
 */
#include "guest.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void show(const char *what, const struct stat *st)
{
    out("%s: mode %#o links %d size %ld uid %s gid %s\n", what, st->st_mode, (int)st->st_nlink, (long)st->st_size,
        st->st_uid == geteuid() ? "own" : "other", st->st_gid == getegid() ? "own" : "other");
}

int main(void)
{
    struct stat st, before;
    struct statfs fs;
    umask(022);
    int fd = MUST(open("stated", O_CREAT | O_RDWR | O_TRUNC, 0654));
    write(fd, "hello", 5);
    TRY(stat("stated", &st));
    show("stat", &st);
    TRY(fstat(fd, &st));
    show("fstat", &st);
    symlink("stated", "stat-link");
    TRY(lstat("stat-link", &st));
    show("lstat", &st);
    TRY(fstatat(AT_FDCWD, "stat-link", &st, 0));
    show("fstatat", &st);
    TRY(fstatat(AT_FDCWD, "stat-link", &st, AT_SYMLINK_NOFOLLOW));
    show("fstatat nofollow", &st);
    TRY(fstatat(fd, "", &st, AT_EMPTY_PATH));
    show("fstatat empty", &st);
    TRY(fstatat(AT_FDCWD, "", &st, 0));
    TRY(fstatat(AT_FDCWD, "stated", &st, 0x4));
    TRY(fstat(99, &st));
    stat("/dev/null", &st);
    out("/dev/null: mode %#o device %d:%d\n", st.st_mode & S_IFMT, major(st.st_rdev), minor(st.st_rdev));
    stat("/", &st);
    out("/: directory %d\n", S_ISDIR(st.st_mode));
    int pipes[2];
    pipe(pipes);
    fstat(pipes[0], &st);
    out("pipe: mode %#o size %ld\n", st.st_mode, (long)st.st_size);
    expect(st.st_blksize == 4096, "block size of a pipe");

    struct {
        uint32_t mask, blksize;
        uint64_t attributes;
        uint32_t nlink, uid, gid;
        uint16_t mode, pad;
        uint64_t ino, size, blocks, attributes_mask;
        uint64_t rest[24];
    } sx;
    TRY(syscall(332, AT_FDCWD, "stated", 0, 0x7ff, &sx));
    stat("stated", &st);
    expect((sx.mask & 0x7ff) == 0x7ff && sx.mode == st.st_mode && sx.size == (uint64_t)st.st_size && sx.ino == st.st_ino, "statx agrees");
    TRY(syscall(332, AT_FDCWD, "stated", 0x77770000, 0x7ff, &sx));
    TRY(syscall(332, AT_FDCWD, "stated", 0, 0x80000000, &sx));
    TRY(syscall(332, fd, "", AT_EMPTY_PATH, 0x7ff, &sx));

    /* Times. */
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    TRY(futimens(fd, times));
    fstat(fd, &st);
    out("atime %ld.%09ld mtime %ld.%09ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    TRY(utimensat(AT_FDCWD, "stated", times, 0));
    fstat(fd, &st);
    out("atime %ld, mtime is now %d\n", (long)st.st_atim.tv_sec, st.st_mtim.tv_sec > 1500000000);
    times[0].tv_nsec = 1000000000;
    TRY(utimensat(AT_FDCWD, "stated", times, 0));
    TRY(utimensat(AT_FDCWD, "missing", NULL, 0));
    TRY(utimensat(AT_FDCWD, "stat-link", NULL, AT_SYMLINK_NOFOLLOW));
    times[0] = times[1] = (struct timespec){1000, 0};
    futimens(fd, times);
    fstat(fd, &before);
    sleep_ms(20);
    write(fd, "x", 1);
    fstat(fd, &st);
    expect(st.st_mtim.tv_sec > 1000, "a write changes mtime");
    expect(st.st_ctim.tv_sec > before.st_ctim.tv_sec || st.st_ctim.tv_nsec > before.st_ctim.tv_nsec, "and ctime");
    before = st;
    sleep_ms(20);
    fchmod(fd, 0600);
    fstat(fd, &st);
    expect(st.st_mtim.tv_nsec == before.st_mtim.tv_nsec && (st.st_ctim.tv_nsec != before.st_ctim.tv_nsec || st.st_ctim.tv_sec != before.st_ctim.tv_sec),
           "chmod changes ctime only");
    TRY(chmod("stated", 07777));
    fstat(fd, &st);
    out("mode %#o\n", st.st_mode);
    TRY(chmod("stat-link", 0644));
    TRY(chmod("missing", 0644));
    TRY(fchmod(99, 0644));
    TRY(fchownat(AT_FDCWD, "stat-link", getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
    TRY(statfs(".", &fs));
    expect(fs.f_bsize > 0 && fs.f_namelen == 255, "statfs is sane");
    TRY(statfs("/proc", &fs));
    out("/proc is %s\n", fs.f_type == 0x9fa0 ? "proc" : "something else");
    TRY(fstatfs(99, &fs));
    TRY(statfs("missing", &fs));

    TRY(access("stated", R_OK | W_OK));
    TRY(access("stated", X_OK));
    TRY(access("missing", F_OK));
    TRY(access("stated", 8));
    TRY(syscall(439, AT_FDCWD, "stated", R_OK, AT_EACCESS));
    unlink("stated");
    unlink("stat-link");
    return wrong;
}
