/*
 * exec_variants -- execve, fexecve, execveat with its flags, and how the new image finds itself
 */
#include "guest.h"
#include <sys/auxv.h>

extern char **environ;

static int execveat_(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    return syscall(SYS_execveat, fd, path, argv, envp, flags);
}

static void copy_self(const char *path)
{
    char buffer[65536];
    ssize_t length;
    int from = MUST(open("/proc/self/exe", O_RDONLY)), to = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        MUST(write(to, buffer, length));
    close(from);
    close(to);
}

static int image(int argc, char **argv)
{
    char comm[32] = "", *execfn = (char *)getauxval(AT_EXECFN);
    int fd = open("/proc/self/comm", O_RDONLY);
    ssize_t length = read(fd, comm, 31);
    close(fd);
    out("  image: argc %d argv[0] '%s' env %s comm %.*s", argc, argv[0], environ[0] ? environ[0] : "(empty)", (int)length, comm);
    if (strncmp(execfn, "/dev/fd/", 8) == 0)
        out("  execfn /dev/fd/N%s\n", strchr(execfn + 8, '/') ? strchr(execfn + 8, '/') : "");
    else
        out("  execfn %s\n", execfn[0] == '/' ? "absolute" : execfn);
    for (fd = 3; fd < 20; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            out("  fd %d is open\n", fd);
    return 17;
}

#define SHOW(call)                                                        \
    do {                                                                  \
        pid_t show_pid = FORK({                                           \
            call;                                                         \
            out("  failed: %s\n", errno_name(errno));                     \
            _exit(0);                                                     \
        });                                                               \
        int show_status = reap(show_pid);                                 \
        out("%s: %s\n", #call, status_name(show_status));                 \
    } while (0)

int main(int argc, char **argv)
{
    if (argc == 0 || strcmp(argv[argc - 1], "image") == 0 || strcmp(argv[0], "image") == 0 || argv[0][0] == 0)
        return image(argc, argv);
    char directory[] = "exec-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    copy_self("program");
    MUST(symlink("program", "link"));
    MUST(mkdir("folder", 0755));
    char *arguments[] = {"first", "image", NULL}, *one[] = {"E=1", NULL}, *none[] = {NULL}, *alone[] = {"image", NULL};

    SHOW(execve("./program", arguments, one));
    SHOW(execve("program", arguments, none));
    SHOW(execve("./link", arguments, one));
    SHOW(execve("./program", alone, NULL));
    SHOW(execve("./program", NULL, one));
    SHOW(execve("./program", none, one));
    int here = MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int file = MUST(open("program", O_RDONLY | O_CLOEXEC));
    int path_only = MUST(open("program", O_PATH | O_CLOEXEC));
    SHOW(execveat_(here, "program", arguments, one, 0));
    SHOW(execveat_(AT_FDCWD, "program", arguments, one, 0));
    SHOW(execveat_(file, "", arguments, one, AT_EMPTY_PATH));
    SHOW(execveat_(path_only, "", arguments, one, AT_EMPTY_PATH));
    SHOW(execveat_(file, "", arguments, one, 0));
    SHOW(execveat_(here, "link", arguments, one, AT_SYMLINK_NOFOLLOW));
    SHOW(execveat_(here, "program", arguments, one, AT_SYMLINK_NOFOLLOW));
    SHOW(execveat_(file, "program", arguments, one, 0));
    SHOW(execveat_(99, "program", arguments, one, 0));
    SHOW(execveat_(here, "", arguments, one, AT_EMPTY_PATH));
    SHOW(execveat_(here, "program", arguments, one, 0x8000));
    SHOW(fexecve(file, arguments, one));
    fcntl(here, F_SETFD, 0);
    SHOW(execve("./program", arguments, one));
    fcntl(here, F_SETFD, FD_CLOEXEC);

    /* A program in anonymous memory. */
    int memory = MUST(memfd_create("image", MFD_CLOEXEC));
    char buffer[65536];
    ssize_t length;
    while ((length = read(file, buffer, sizeof buffer)) > 0)
        MUST(write(memory, buffer, length));
    SHOW(fexecve(memory, arguments, one));
    /* The file that runs may be removed meanwhile. */
    int removed = MUST(open("program", O_RDONLY | O_CLOEXEC));
    unlink("program");
    SHOW(fexecve(removed, arguments, one));
    unlink("link");
    rmdir("folder");
    chdir("..");
    rmdir(directory);
    return 0;
}
