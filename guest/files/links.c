/*
 * links -- hard and symbolic links, readlink, unlinking open files, link counts
 */
#include "guest.h"

int main(void)
{
    char top[] = "links-XXXXXX", text[300] = "";
    struct stat st;
    MUST(mkdtemp(top));
    MUST(chdir(top));
    int fd = MUST(open("a", O_CREAT | O_RDWR, 0644));
    write(fd, "data", 4);
    TRY(link("a", "b"));
    fstat(fd, &st);
    out("links %d\n", (int)st.st_nlink);
    TRY(link("a", "b"));
    TRY(link("missing", "c"));
    TRY(link("a", "missing/c"));
    mkdir("dir", 0755);
    TRY(link("dir", "c"));
    TRY(symlink("a", "s"));
    TRY(symlink("a", "s"));
    TRY(symlink("", "t"));
    TRY(symlink("x", ""));
    TRY(link("s", "hard-to-link"));
    lstat("hard-to-link", &st);
    out("a hard link to a symbolic one: %s links %d\n", S_ISLNK(st.st_mode) ? "a symbolic link" : "a file", (int)st.st_nlink);
    TRY(linkat(AT_FDCWD, "s", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    lstat("followed", &st);
    out("followed: %s\n", S_ISREG(st.st_mode) ? "a file" : "other");
    TRY(readlink("s", text, sizeof text));
    TRY(readlink("s", text, 0));
    TRY(readlink("a", text, sizeof text));
    TRY(readlink("missing", text, sizeof text));
    symlink("a-long-target-name", "long");
    TRY(readlink("long", text, 6));
    text[6] = 0;
    out("cut: %s\n", text);
    lstat("long", &st);
    out("size of a symbolic link %ld mode %#o\n", (long)st.st_size, st.st_mode);
    int path = open("s", O_PATH | O_NOFOLLOW);
    TRY(readlinkat(path, "", text, sizeof text));

    TRY(unlink("a"));
    TRY(unlink("b"));
    TRY(unlink("followed"));
    fstat(fd, &st);
    out("open without a name: links %d\n", (int)st.st_nlink);
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(read(fd, text, 10));
    TRY(write(fd, "more", 4));
    char *map = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    out("a mapping keeps it: %.8s\n", map);
    TRY(stat("s", &st));
    TRY(lstat("s", &st));
    TRY(unlink("s/"));
    TRY(unlink("missing"));
    TRY(unlink(""));
    TRY(unlink("."));
    symlink("dir", "to-dir");
    TRY(unlink("to-dir/"));
    TRY(open("to-dir/x", O_CREAT | O_WRONLY, 0600) >= 0);
    TRY(unlink("dir/x"));
    char name[10];
    for (int i = 0; i < 45; i++) {
        char target[10];
        snprintf(name, sizeof name, "l%d", i);
        snprintf(target, sizeof target, i ? "l%d" : "dir", i - 1);
        symlink(target, name);
    }
    TRY(stat("l39", &st));
    TRY(stat("l40", &st));
    for (int i = 0; i < 45; i++) {
        snprintf(name, sizeof name, "l%d", i);
        unlink(name);
    }
    const char *names[] = {"s", "hard-to-link", "long", "to-dir"};
    for (int i = 0; i < 4; i++)
        unlink(names[i]);
    rmdir("dir");
    out("left: %s\n", chdir("..") || rmdir(top) ? errno_name(errno) : "nothing");
    return 0;
}
