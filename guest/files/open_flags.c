/*
 * open_flags -- open(2): every flag that changes what happens, and the errors
 */
#include "guest.h"

static void show(int fd)
{
    if (fd >= 0) {
        out("    flags %#o cloexec %d\n", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
        close(fd);
    }
}

int main(void)
{
    char directory[] = "open-XXXXXX";
    struct stat st;
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    umask(022);
    show(TRY(open("new", O_RDONLY)));
    show(TRY(open("new", O_CREAT | O_WRONLY, 0666)));
    stat("new", &st);
    out("mode %#o size %ld\n", st.st_mode, (long)st.st_size);
    show(TRY(open("new", O_CREAT | O_EXCL | O_WRONLY, 0666)));
    show(TRY(open("new", O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC)));
    show(TRY(open("new", O_RDWR | O_SYNC)));
    show(TRY(open("new", O_RDWR | O_DSYNC)));
    show(TRY(open("new", O_RDONLY | O_NOATIME)));
    show(TRY(open("new", O_PATH)));
    show(TRY(open("new", O_RDONLY | O_DIRECTORY)));
    show(TRY(open("new/", O_RDONLY)));
    show(TRY(open(".", O_RDONLY)));
    show(TRY(open(".", O_RDONLY | O_DIRECTORY)));
    show(TRY(open(".", O_WRONLY)));
    show(TRY(open(".", O_RDWR)));
    show(TRY(open(".", O_CREAT | O_RDONLY, 0644)));
    show(TRY(open("missing/x", O_CREAT | O_WRONLY, 0644)));
    show(TRY(open("", O_RDONLY)));
    show(TRY(open("new/x", O_RDONLY)));
    symlink("new", "link");
    symlink("nowhere", "dangling");
    symlink("created", "to-create");
    symlink("loop", "loop");
    show(TRY(open("link", O_RDONLY)));
    show(TRY(open("link", O_RDONLY | O_NOFOLLOW)));
    show(TRY(open("link", O_PATH | O_NOFOLLOW)));
    show(TRY(open("dangling", O_RDONLY)));
    show(TRY(open("to-create", O_CREAT | O_WRONLY, 0600)));
    TRY(stat("created", &st));
    show(TRY(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600)));
    show(TRY(open("loop", O_RDONLY)));

    int fd = open("new", O_WRONLY);
    write(fd, "hello", 5);
    TRY(read(fd, &st, 1));
    close(fd);
    fd = open("new", O_RDONLY);
    TRY(write(fd, "x", 1));
    TRY(ftruncate(fd, 0));
    close(fd);
    fd = open("new", O_PATH);
    TRY(read(fd, &st, 1));
    TRY(fchmod(fd, 0600));
    TRY(fstat(fd, &st));
    TRY(lseek(fd, 0, SEEK_SET));
    close(fd);
    close(open("new", O_WRONLY | O_TRUNC));
    stat("new", &st);
    out("after O_TRUNC: size %ld\n", (long)st.st_size);

    fd = TRY(open(".", O_TMPFILE | O_RDWR, 0600));
    if (fd >= 0) {
        write(fd, "tmp", 3);
        fstat(fd, &st);
        out("O_TMPFILE: links %d size %ld\n", (int)st.st_nlink, (long)st.st_size);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        TRY(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
        fstat(fd, &st);
        out("linked: links %d\n", (int)st.st_nlink);
        close(fd);
    }
    TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
    int at = open(".", O_PATH | O_DIRECTORY);
    show(TRY(openat(at, "new", O_RDONLY)));
    show(TRY(openat(99, "new", O_RDONLY)));
    show(TRY(openat(99, "/dev/null", O_RDONLY)));
    fd = open("new", O_RDONLY);
    show(TRY(openat(fd, "new", O_RDONLY)));
    TRY(creat("linked", 0600) >= 0);
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0x08 /* RESOLVE_BENEATH */};
    TRY(syscall(437, at, "new", &how, sizeof how) >= 0);
    TRY(syscall(437, at, "../x", &how, sizeof how));
    TRY(syscall(437, at, "/etc", &how, sizeof how));
    how.resolve = 0x04; /* RESOLVE_NO_SYMLINKS */
    TRY(syscall(437, at, "link", &how, sizeof how));
    how.resolve = 0x10; /* RESOLVE_IN_ROOT */
    TRY(syscall(437, at, "/../../new", &how, sizeof how) >= 0);
    how.resolve = 0x1000;
    TRY(syscall(437, at, "new", &how, sizeof how));
    const char *names[] = {"new", "link", "dangling", "to-create", "created", "loop", "linked"};
    for (int i = 0; i < 7; i++)
        unlink(names[i]);
    chdir("..");
    out("removed %d\n", rmdir(directory));
    return 0;
}
