/*
 * exec_scripts -- "#!" lines: argument vector of the interpreter, optional argument, nesting, bad lines
 */
#include "guest.h"

static char self[PATH_MAX];

static void script(const char *path, const char *format, ...)
{
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    MUST(write(fd, text, length));
    close(fd);
}

static void attempt(const char *what, const char *path)
{
    pid_t pid = FORK({
        execl(path, "zero", "one", (char *)NULL);
        out("  %s\n", errno_name(errno));
        _exit(1);
    });
    out("%s: %s\n", what, status_name(reap(pid)));
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length] = 0;
    if (argc > 1) {
        for (int i = 0; i < argc; i++)
            out("  argv[%d] %s\n", i, strcmp(argv[i], "interpreter") == 0 || strcmp(argv[i], self) == 0 ? "(interpreter)" : argv[i]);
        return 5;
    }
    char directory[] = "scripts-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chdir(directory));
    MUST(symlink(self, "interpreter"));
    script("plain", "#!interpreter\n");
    attempt("no argument", "./plain");
    script("option", "#!interpreter -x\n");
    attempt("one argument", "./option");
    script("two", "#! \t interpreter  -x  -y z \t \n");
    attempt("words are one argument", "./two");
    script("unterminated", "#!interpreter");
    attempt("no newline", "./unterminated");
    script("nested", "#!./plain -n\n");
    attempt("a script as interpreter", "./nested");
    script("missing", "#!/nonexistent/interpreter\n");
    attempt("missing interpreter", "./missing");
    script("blank", "#!\n");
    attempt("no interpreter", "./blank");
    script("spaces", "#!   \n");
    attempt("only spaces", "./spaces");
    script("self", "#!./self\n");
    attempt("a script that interprets itself", "./self");
    script("s0", "#!interpreter\n");
    for (int i = 1; i <= 6; i++) {
        char path[8];
        snprintf(path, sizeof path, "s%d", i);
        script(path, "#!./s%d\n", i - 1);
    }
    attempt("five levels", "./s4");
    attempt("six levels", "./s5");
    char padding[300];
    memset(padding, 'p', sizeof padding);
    padding[200] = 0;
    script("long", "#!interpreter %s\n", padding);
    attempt("a line of 215 bytes", "./long");
    padding[200] = 'p';
    padding[299] = 0;
    script("longer", "#!interpreter %s\n", padding);
    attempt("a line of more than 255 bytes", "./longer");
    script("cut", "#!/%s\n", padding);
    attempt("an interpreter longer than the buffer", "./cut");
    int fd = MUST(open("plain", O_RDONLY | O_CLOEXEC));
    char *arguments[] = {"zero", "one", NULL};
    pid_t pid = FORK({
        fexecve(fd, arguments, arguments + 2);
        out("  %s\n", errno_name(errno));
    });
    out("fexecve, close-on-exec: %s\n", status_name(reap(pid)));
    const char *names[] = {"interpreter", "plain", "option", "two", "unterminated", "nested", "missing", "blank", "spaces",
                           "self", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "long", "longer", "cut"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    chdir("..");
    rmdir(directory);
    return 0;
}
