/*
 * user_maps -- uid_map, gid_map and setgroups: what they show, who may write them, and every way to write them wrong
 * guest: needs=root
 */
#include "userns.h"

static void try_map(const char *what, const char *name, const char *text)
{
    struct helper child = in_userns(0, 0, NULL);
    int result = write_proc(child.pid, name, text, 0);
    out("%s %s: %s\n", name, what, result ? errno_name(errno) : "written");
    if (!result)
        show_proc(child.pid, name);
    finish(child);
}

/* A map of `count` single ids, each `step` apart. */
static char *many(int count, int step)
{
    static char text[16384];
    int length = 0;
    for (int i = 0; i < count; i++)
        length += snprintf(text + length, sizeof text - length, "%d %d 1\n", i * step, 1000 + i * step);
    return text;
}

static void from_inside(void)
{
    show_proc(0, "uid_map");
    show_proc(0, "gid_map");
    show_proc(0, "setgroups");
    TRY(write_proc(0, "gid_map", "0 1000 1", 0));
    TRY(write_proc(0, "setgroups", "deny", 0));
    TRY(write_proc(0, "setgroups", "allow", 0));
    TRY(write_proc(0, "gid_map", "0 1000 1", 0));
    TRY(write_proc(0, "setgroups", "deny", 0));
    TRY(write_proc(0, "uid_map", "0 0 1", 0));
    TRY(write_proc(0, "uid_map", "0 1001 1", 0));
    TRY(write_proc(0, "uid_map", "0 1000 2", 0));
    TRY(write_proc(0, "uid_map", "5 1000 1", 0));
    TRY(write_proc(0, "uid_map", "5 1000 1", 0));
    show_proc(0, "uid_map");
    show_proc(0, "gid_map");
    show_proc(0, "setgroups");
    out("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    TRY(setgroups(0, NULL));
}

static void nested(void)
{
    /* The parent mapped 0-9 to 1000-1009; a namespace below maps some of those again. */
    TRY(unshare(CLONE_NEWUSER));
    show_proc(0, "uid_map");
    TRY(write_proc(0, "uid_map", "0 0 1", 0));
    show_proc(0, "uid_map");
    TRY(write_proc(0, "gid_map", "0 0 1", 0));
    TRY(write_proc(0, "setgroups", "deny", 0));
    TRY(write_proc(0, "gid_map", "0 0 1", 0));
    struct helper child = in_userns(0, 0, NULL);
    TRY(write_proc(child.pid, "uid_map", "7 0 1\n8 1 1", 0));
    TRY(write_proc(child.pid, "uid_map", "7 0 1", 0));
    show_proc(child.pid, "uid_map");
    finish(child);
}

int main(void)
{
    show_proc(0, "uid_map");
    show_proc(0, "gid_map");
    show_proc(0, "setgroups");
    TRY(write_proc(0, "uid_map", "0 0 1", 0));
    TRY(write_proc(0, "setgroups", "deny", 0));

    static const char *const TEXTS[] = {
        "0 1000 1", "0 1000 1\n", " 0\t1000  1 \n", "0 1000 1\n\n", "\n0 1000 1", "0 1000", "0 1000 1 2", "", " ", "x", "-1 0 1",
        "0 1000 0", "0 1000 1x", "0x0 1000 1", "4294967295 0 1", "0 4294967295 1", "0 0 4294967295", "0 0 4294967296",
        "1 1 4294967295", "0 1 4294967295", "0 1000 10\n10 1010 10", "0 1000 10\n9 2000 10", "0 1000 10\n10 1009 10",
        "10 1000 10\n0 2000 10", "5 1000 1\n5 2000 1", "0 1000 4294967290", "4294967294 7 1", "4294967294 7 2", "00 001000 01",
        "4294967296 1000 1", "0 1000 1\n1 1001 1\nx",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        for (int group = 0; group < 2; group++) {
            char what[128];
            int length = 0;
            for (const char *at = TEXTS[i]; *at; at++)
                length += snprintf(what + length, sizeof what - length, *at == '\n' ? "\\n" : *at == '\t' ? "\\t" : "%c", *at);
            what[length] = 0;
            try_map(what, group ? "gid_map" : "uid_map", TEXTS[i]);
        }
    struct helper child;
    for (int count = 4; count <= 342; count += count == 4 ? 1 : count == 5 ? 1 : count == 6 ? 333 : 1) {
        child = in_userns(0, 0, NULL);
        int result = write_proc(child.pid, "uid_map", many(count, 3), 0);
        out("%d extents: %s\n", count, result ? errno_name(errno) : "written");
        finish(child);
    }
    char page[4097];
    memset(page, ' ', sizeof page);
    memcpy(page, "0 0 1\n", 6);
    for (int length = 4094; length <= 4097; length++) {
        child = in_userns(0, 0, NULL);
        out("%d bytes: %s\n", length, write_proc(child.pid, "uid_map", page, length) ? errno_name(errno) : "written");
        finish(child);
    }

    out("-- twice, in pieces, at an offset\n");
    child = in_userns(0, 0, NULL);
    TRY(write_proc(child.pid, "uid_map", "0 1000 1", 0));
    TRY(write_proc(child.pid, "uid_map", "0 1000 1", 0));
    TRY(write_proc(child.pid, "uid_map", "nonsense", 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/gid_map", child.pid);
    int fd = MUST(open(path, O_RDWR));
    TRY(pwrite(fd, "0 1000 1", 8, 3));
    TRY(write(fd, "0 1000 1", 8));
    TRY(write(fd, "1 1001 1", 8));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(write(fd, "1 1001 1", 8));
    close(fd);
    finish(child);

    out("-- setgroups\n");
    static const char *const WORDS[] = {"deny", "allow", "deny\n", "allow \t\n", "denyx", "den", "", "deny    ", "allow   x", "DENY"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        child = in_userns(0, 0, NULL);
        out("word %zu: %s\n", i, write_proc(child.pid, "setgroups", WORDS[i], 0) ? errno_name(errno) : "written");
        show_proc(child.pid, "setgroups");
        finish(child);
    }

    out("-- without privilege, from inside\n");
    finish(in_userns(0, 1000, from_inside));
    out("-- without privilege, from outside\n");
    child = in_userns(0, 1000, NULL);
    pid_t writer = FORK(MUST(setgroups(0, NULL)); MUST(setresgid(1000, 1000, 1000)); MUST(setresuid(1000, 1000, 1000));
                        TRY(write_proc(child.pid, "uid_map", "0 1000 1", 0)); TRY(write_proc(child.pid, "uid_map", "0 1000 2", 0));
                        TRY(write_proc(child.pid, "gid_map", "0 1000 1", 0)); TRY(write_proc(child.pid, "setgroups", "deny", 0));
                        TRY(write_proc(child.pid, "gid_map", "0 1000 1", 0)));
    reap(writer);
    show_proc(child.pid, "uid_map");
    show_proc(child.pid, "gid_map");
    finish(child);
    out("-- another user\n");
    child = in_userns(0, 1000, NULL);
    writer = FORK(MUST(setresgid(2000, 2000, 2000)); MUST(setresuid(2000, 2000, 2000));
                  TRY(write_proc(child.pid, "uid_map", "0 2000 1", 0)));
    reap(writer);
    snprintf(path, sizeof path, "/proc/%d/uid_map", child.pid);
    fd = MUST(open(path, O_WRONLY));
    writer = FORK(MUST(setresuid(1000, 1000, 1000)); TRY(write(fd, "0 1000 5", 8)); TRY(write(fd, "0 1000 1", 8)));
    reap(writer);
    close(fd);
    show_proc(child.pid, "uid_map");
    finish(child);
    out("-- a sibling namespace\n");
    struct helper other = in_userns(0, 1000, NULL);
    MUST(write_proc(other.pid, "uid_map", "0 1000 10", 0));
    child = in_userns(0, 1000, NULL);
    snprintf(path, sizeof path, "/proc/%d/ns/user", other.pid);
    fd = MUST(open(path, O_RDONLY));
    writer = FORK(MUST(setns(fd, 0)); TRY(write_proc(child.pid, "uid_map", "0 0 1", 0)));
    reap(writer);
    close(fd);
    finish(child);
    finish(other);
    out("-- nested\n");
    child = in_userns(0, 1000, nested);
    MUST(write_proc(child.pid, "uid_map", "0 1000 10", 0));
    MUST(write_proc(child.pid, "gid_map", "0 1000 10", 0));
    finish(child);
    return 0;
}
