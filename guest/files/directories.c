/*
 * directories -- getdents64, mkdir and rmdir errors, link counts, seeking, a removed working directory
 */
#include "guest.h"
#include <dirent.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path)
{
    char *names[64];
    int count = 0;
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        names[count] = malloc(300);
        snprintf(names[count++], 300, "%s:%c", entry->d_name,
                 entry->d_type == DT_DIR ? 'd' : entry->d_type == DT_REG ? 'f' : entry->d_type == DT_LNK ? 'l' : entry->d_type == DT_FIFO ? 'p' : '?');
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    out("%s:", path);
    for (int i = 0; i < count; i++)
        out(" %s", names[i]);
    out("\n");
}

int main(void)
{
    char top[] = "dirs-XXXXXX", buffer[4096];
    struct stat st;
    MUST(mkdtemp(top));
    MUST(chdir(top));
    umask(022);
    TRY(mkdir("a", 0777));
    TRY(mkdir("a", 0777));
    TRY(mkdir("a/", 0777));
    TRY(mkdir("missing/x", 0777));
    TRY(mkdir(".", 0777));
    TRY(mkdir("..", 0777));
    TRY(mkdir("/", 0777));
    TRY(mkdir("", 0777));
    TRY(mkdir("b/", 0777));
    close(open("file", O_CREAT | O_WRONLY, 0644));
    TRY(mkdir("file/x", 0777));
    TRY(mkdir("file", 0777));
    symlink("nowhere", "link");
    TRY(mkdir("link", 0777));
    TRY(mkfifo("fifo", 0600));
    TRY(mkdir("a/sub", 01777));
    stat("a/sub", &st);
    out("mode %#o\n", st.st_mode);
    stat("a", &st);
    out("links of a directory with one subdirectory: %d\n", (int)st.st_nlink);
    list(".");
    TRY(rmdir("a"));
    TRY(rmdir("a/sub"));
    TRY(rmdir("a/."));
    TRY(rmdir("a/.."));
    TRY(rmdir("file"));
    TRY(rmdir("missing"));
    TRY(rmdir("link"));
    TRY(rmdir("b/"));
    TRY(unlink("a"));
    TRY(rmdir("/"));
    TRY(rmdir("/proc"));

    for (int i = 0; i < 300; i++) {
        char name[40];
        snprintf(name, sizeof name, "a/entry-%03d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    int fd = open("a", O_RDONLY | O_DIRECTORY), calls = 0, entries = 0;
    long length;
    while ((length = syscall(SYS_getdents64, fd, buffer, 1000)) > 0) {
        calls++;
        for (long at = 0; at < length; entries++)
            at += *(unsigned short *)(buffer + at + 16);
    }
    out("entries %d in more than one call: %d\n", entries, calls > 1);
    TRY(syscall(SYS_getdents64, fd, buffer, 1000));
    TRY(lseek(fd, 0, SEEK_SET));
    out("again: %d\n", syscall(SYS_getdents64, fd, buffer, 1000) > 0);
    lseek(fd, 0, SEEK_SET);
    TRY(syscall(SYS_getdents64, fd, buffer, 10));
    TRY(read(fd, buffer, 10));
    /* Entries removed while reading are not an error. */
    DIR *directory = opendir("a");
    int removed = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)))
        if (entry->d_name[0] == 'e')
            removed += unlinkat(dirfd(directory), entry->d_name, 0) == 0;
    closedir(directory);
    out("removed while listing: %d\n", removed);
    list("a");
    int file = open("file", O_RDONLY);
    TRY(syscall(SYS_getdents64, file, buffer, 1000));

    /* The working directory may be removed under us. */
    TRY(mkdir("gone", 0755));
    TRY(chdir("gone"));
    TRY(rmdir("../gone"));
    TRY(syscall(SYS_getcwd, buffer, 1000L));
    TRY(open("x", O_CREAT | O_WRONLY, 0600));
    TRY(mkdir("x", 0700));
    TRY(stat(".", &st));
    out("links of a removed directory: %d\n", (int)st.st_nlink);
    list(".");
    TRY(chdir(".."));
    TRY(chdir("file"));
    TRY(chdir("missing"));
    TRY(fchdir(file));
    TRY(fchdir(fd));
    TRY(chdir(".."));
    TRY(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR));
    TRY(unlinkat(AT_FDCWD, "a", 0));
    TRY(unlinkat(AT_FDCWD, "a", AT_REMOVEDIR));
    TRY(unlinkat(AT_FDCWD, "a", 0x77));
    unlink("file");
    unlink("link");
    unlink("fifo");
    chdir("..");
    out("removed %d\n", rmdir(top));
    return 0;
}
