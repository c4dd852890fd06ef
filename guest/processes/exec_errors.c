/*
 * exec_errors -- every way execve can refuse, including limits on arguments
 */
#include "guest.h"

static void make(const char *path, const char *contents, size_t size, mode_t mode)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    MUST(write(fd, contents, size));
    close(fd);
    MUST(chmod(path, mode));
}

static const char *attempt(const char *path, char **argv)
{
    static char *none[] = {NULL};
    pid_t pid = FORK({
        execve(path, argv, none);
        _exit(errno);
    });
    int status = reap(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : "ran" : status_name(status);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 0;
    char directory[] = "exec-XXXXXX", *plain[] = {"x", "y", NULL};
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    out("missing: %s\n", attempt("missing", plain));
    out("empty path: %s\n", attempt("", plain));
    out("directory: %s\n", attempt(".", plain));
    out("device: %s\n", attempt("/dev/null", plain));
    make("noexec", "\x7f" "ELF", 4, 0644);
    out("no x bit: %s\n", attempt("./noexec", plain));
    make("empty", "", 0, 0755);
    out("empty file: %s\n", attempt("./empty", plain));
    make("text", "hello\n", 6, 0755);
    out("text without #!: %s\n", attempt("./text", plain));
    make("magic", "\x7f" "ELF", 4, 0755);
    out("only a magic: %s\n", attempt("./magic", plain));
    char header[64] = "\x7f" "ELF\2\1\1";
    make("header", header, 64, 0755);
    out("an ELF header of zeros: %s\n", attempt("./header", plain));
    header[16] = 2;
    header[18] = (char)183; /* EM_AARCH64 */
    make("arm", header, 64, 0755);
    out("another machine: %s\n", attempt("./arm", plain));
    out("through a file: %s\n", attempt("./text/x", plain));
    symlink("loop", "loop");
    out("symlink loop: %s\n", attempt("./loop", plain));
    char *longer = malloc(5000);
    memset(longer, 'a', 4999);
    longer[4999] = 0;
    out("path too long: %s\n", attempt(longer, plain));
    longer[300] = 0;
    out("name too long: %s\n", attempt(longer, plain));

    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length] = 0;
    out("this program: %s\n", attempt(self, plain));
    int writer = open("busy", O_WRONLY | O_CREAT, 0755);
    write(writer, "#!/bin/sh\n", 10);
    out("open for writing: %s\n", attempt("./busy", plain));
    close(writer);

    /* One string may have 128 KiB, all together a quarter of the stack limit. */
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    stack.rlim_cur = 8 << 20;
    setrlimit(RLIMIT_STACK, &stack);
    char *big = malloc(131073);
    memset(big, 'b', 131072);
    big[131072] = 0;
    char *one_big[] = {"x", big, NULL};
    out("one string of 131072 bytes: %s\n", attempt(self, one_big));
    big[131071] = 0;
    out("one string of 131071 bytes: %s\n", attempt(self, one_big));
    char *many[40];
    many[0] = "x";
    for (int i = 1; i < 39; i++)
        many[i] = big;
    many[39] = NULL;
    many[15] = NULL;
    out("14 of them: %s\n", attempt(self, many));
    many[15] = big;
    many[17] = NULL;
    out("16 of them: %s\n", attempt(self, many));
    many[17] = big;
    out("38 of them: %s\n", attempt(self, many));
    stack.rlim_cur = 32 << 20;
    if (setrlimit(RLIMIT_STACK, &stack) == 0)
        out("38 of them with a larger stack limit: %s\n", attempt(self, many));
    chdir("..");
    char command[64];
    snprintf(command, sizeof command, "%s", directory);
    const char *names[] = {"noexec", "empty", "text", "magic", "header", "arm", "loop", "busy"};
    for (int i = 0; i < 8; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", command, names[i]);
        unlink(path);
    }
    out("removed %d\n", rmdir(directory));
    return 0;
}
