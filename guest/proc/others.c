/*
 * others -- whose files of /proc may be read: of another user, of an undumpable process, of a process that changed its user
 * guest: needs=proc,root
 */
#include "procfile.h"
#include <grp.h>
#include <sys/prctl.h>

static const char *FILES[] = {
    "stat", "status", "cmdline", "environ", "auxv", "maps", "smaps_rollup", "mem", "syscall", "personality", "stack", "limits",
    "io", "pagemap", "clear_refs", "wchan", "oom_score", "attr/current", "loginuid", "timers", "timerslack_ns", "comm",
};

static void look(int pid)
{
    for (unsigned i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct stat st;
        MUST(stat(of(pid, FILES[i]), &st));
        int result = slurp(of(pid, FILES[i]));
        if (strcmp(FILES[i], "mem") == 0 && result == -EIO)
            result = 1;
        out("  %s: mode %o, owner %d, %s\n", FILES[i], st.st_mode & 07777, st.st_uid, outcome(result));
    }
    const char *links[] = {"exe", "cwd", "root", "fd/0"};
    for (int i = 0; i < 4; i++) {
        char target[PATH_MAX];
        long length = readlink(of(pid, links[i]), target, sizeof target);
        out("  %s: %s\n", links[i], length < 0 ? errno_name(errno) : "read");
    }
    const char *directories[] = {"", "fd", "fdinfo", "task", "map_files", "attr"};
    for (int i = 0; i < 6; i++) {
        struct stat st;
        MUST(stat(of(pid, directories[i]), &st));
        int count = entries(of(pid, directories[i]));
        out("  [%s]: mode %o, owner %d, %s\n", directories[i], st.st_mode & 07777, st.st_uid, count < 0 ? errno_name(-count) : "listed");
    }
    out("  comm %d oom_score_adj %d\n", open(of(pid, "comm"), O_WRONLY) < 0 ? errno : 0,
        open(of(pid, "oom_score_adj"), O_WRONLY) < 0 ? errno : 0);
    slurp(of(pid, "stat"));
    long start = 0, place = 0, address = 0;
    for (char *word = strtok(strrchr(text, ')') + 1, " "); word; word = strtok(NULL, " "), place++) {
        if (place == 23)
            start = atol(word);
        if (place == 25)
            address = atol(word);
    }
    out("  start of code %s, of stack %s\n", start == 1 ? "hidden" : "shown", address ? "shown" : "hidden");
}

static int child(int uid, int undumpable)
{
    int ready[2];
    MUST(pipe(ready));
    int pid = FORK({
        if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
            _exit(9);
        prctl(PR_SET_DUMPABLE, !undumpable);
        write(ready[1], "x", 1);
        pause();
    });
    char byte;
    MUST(read(ready[0], &byte, 1));
    close(ready[0]);
    close(ready[1]);
    await_state(pid, "S");
    return pid;
}

int main(void)
{
    int mine = child(1000, 0), closed = child(1000, 1), roots = child(0, 0), another = child(1001, 0);
    out("as root, of a user\n");
    look(mine);
    out("as root, undumpable\n");
    look(closed);
    int viewer = FORK({
        setgroups(0, NULL);
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        out("own user\n");
        look(mine);
        out("own user, undumpable\n");
        look(closed);
        out("root's\n");
        look(roots);
        out("another user's\n");
        look(another);
    });
    out("%s\n", status_name(reap(viewer)));
    for (int *pid = (int[]){mine, closed, roots, another, 0}; *pid; pid++) {
        kill(*pid, SIGKILL);
        reap(*pid);
    }
    return 0;
}
