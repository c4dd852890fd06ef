/*
 * set_id_exec -- executing a set-user-id or set-group-id file: ids, AT_SECURE, dumpable, no_new_privs, tracing of signals
 * guest: needs=root
 */
#include "guest.h"
#include <sys/auxv.h>
#include <sys/prctl.h>

static void copy_self(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    char buffer[65536];
    ssize_t length;
    int from = MUST(open("/proc/self/exe", O_RDONLY)), to = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700));
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        MUST(write(to, buffer, length));
    close(from);
    MUST(fchown(to, uid, gid));
    MUST(fchmod(to, mode));
    close(to);
}

static void image(void)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    int value = -1;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    prctl(PR_GET_PDEATHSIG, &value);
    out("  uid %d %d %d gid %d %d %d secure %lu dumpable %d pdeathsig %d\n", r, e, s, rg, eg, sg, getauxval(AT_SECURE),
        prctl(PR_GET_DUMPABLE), value);
    out("  LD_PRELOAD is %s\n", getenv("LD_PRELOAD") ? "there" : "gone");
}

static void attempt(const char *what, const char *path, int no_new_privs)
{
    out("%s\n", what);
    reap(FORK({
        char *arguments[] = {"x", "image", NULL};
        char *environment[] = {"LD_PRELOAD=x", NULL};
        MUST(setresgid(2000, 2000, 2000));
        MUST(setresuid(1000, 1000, 1000));
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        if (no_new_privs)
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        execve(path, arguments, environment);
        out("  %s\n", errno_name(errno));
    }));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        image();
        return 0;
    }
    NEED_ROOT;
    umask(0);
    char directory[] = "setid-XXXXXX";
    MUST(mkdtemp(directory));
    MUST(chmod(directory, 0755));
    MUST(chdir(directory));
    copy_self("plain", 0, 0, 0755);
    attempt("plain", "./plain", 0);
    copy_self("suid", 3000, 0, 04755);
    attempt("set-user-id 3000", "./suid", 0);
    attempt("set-user-id 3000 with no_new_privs", "./suid", 1);
    copy_self("root", 0, 0, 04755);
    attempt("set-user-id root", "./root", 0);
    copy_self("sgid", 0, 4000, 02755);
    attempt("set-group-id 4000", "./sgid", 0);
    copy_self("both", 3000, 4000, 06755);
    attempt("both", "./both", 0);
    copy_self("lock", 0, 4000, 02745);
    attempt("set-group-id without group execute means locking", "./lock", 0);
    copy_self("same", 1000, 2000, 06755);
    attempt("to the ids it has anyway", "./same", 0);
    copy_self("other", 0, 0, 0700);
    attempt("no permission", "./other", 0);
    copy_self("unreadable", 0, 0, 0711);
    attempt("executable but not readable", "./unreadable", 0);

    /* A write or a change of owner takes the bits away. */
    struct stat st;
    MUST(chmod("suid", 04777));
    reap(FORK({
        MUST(setresuid(1000, 1000, 1000));
        int fd = MUST(open("suid", O_WRONLY | O_APPEND));
        write(fd, "x", 1);
    }));
    stat("suid", &st);
    out("after a write by another user: %#o\n", st.st_mode & 07777);
    MUST(chmod("both", 06755));
    MUST(chown("both", 5000, -1));
    stat("both", &st);
    out("after chown by root: %#o\n", st.st_mode & 07777);
    const char *names[] = {"plain", "suid", "root", "sgid", "both", "lock", "same", "other", "unreadable"};
    for (int i = 0; i < 9; i++)
        unlink(names[i]);
    chdir("..");
    rmdir(directory);
    return 0;
}
