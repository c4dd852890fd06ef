/*
 * renames -- rename and renameat2: replacing, directories, loops, NOREPLACE, EXCHANGE
 */
#include "guest.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static int rename2(const char *from, const char *to, int flags) { return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags); }

static void make(const char *path, const char *contents)
{
    int fd = MUST(open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644));
    write(fd, contents, strlen(contents));
    close(fd);
}

static const char *contents(const char *path)
{
    static char text[64];
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return errno_name(errno);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length < 0)
        return errno_name(errno);
    text[length] = 0;
    return text;
}

int main(void)
{
    char top[] = "renames-XXXXXX";
    struct stat st;
    MUST(mkdtemp(top));
    MUST(chdir(top));
    make("a", "A");
    make("b", "B");
    mkdir("dir", 0755);
    mkdir("dir/inner", 0755);
    mkdir("empty", 0755);
    make("full", "F");
    TRY(rename("a", "c"));
    out("a: %s", contents("a"));
    out(" c: %s\n", contents("c"));
    int fd = open("b", O_RDONLY);
    TRY(rename("c", "b"));
    out("b: %s\n", contents("b"));
    fstat(fd, &st);
    out("the replaced file has %d links and is still readable\n", (int)st.st_nlink);
    TRY(rename("b", "dir"));
    TRY(rename("dir", "b"));
    TRY(rename("dir", "empty"));
    TRY(stat("empty/inner", &st));
    mkdir("dir", 0755);
    TRY(rename("dir", "empty"));
    TRY(rename("empty", "empty/inner/x"));
    TRY(rename("empty", "empty/inner"));
    TRY(rename("missing", "x"));
    TRY(rename("b", "missing/x"));
    TRY(rename("b", "b"));
    TRY(rename("b", ""));
    TRY(rename(".", "x"));
    TRY(rename("dir/..", "x"));
    TRY(rename("b/", "x"));
    TRY(rename("b", "x/"));
    TRY(rename("dir/", "dir2/"));
    TRY(rename("full", "empty/full"));
    out("moved: %s\n", contents("empty/full"));
    make("one", "1");
    link("one", "two");
    TRY(rename("one", "two"));
    out("links to the same file: both stay: %s", contents("one"));
    out(" %s\n", contents("two"));
    symlink("two", "link");
    TRY(rename("link", "moved-link"));

    TRY(rename2("one", "b", RENAME_NOREPLACE));
    TRY(rename2("one", "fresh", RENAME_NOREPLACE));
    TRY(rename2("fresh", "b", RENAME_EXCHANGE));
    out("fresh: %s", contents("fresh"));
    out(" b: %s\n", contents("b"));
    TRY(rename2("b", "dir2", RENAME_EXCHANGE));
    out("dir2 is now %s\n", contents("dir2"));
    TRY(rename2("b", "missing", RENAME_EXCHANGE));
    TRY(rename2("b", "x", RENAME_EXCHANGE | RENAME_NOREPLACE));
    TRY(rename2("b", "x", 0x80));
    TRY(rename("b", "/proc/x"));
    unlink("dir2");
    unlink("fresh");
    unlink("two");
    unlink("moved-link");
    unlink("empty/full");
    rmdir("empty/inner");
    rmdir("empty");
    rmdir("b");
    out("left: %s\n", chdir("..") || rmdir(top) ? errno_name(errno) : "nothing");
    return 0;
}
