/*
 * mounts.h -- what the programs about mounts share: a private place to experiment in, and what mountinfo says of it.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

#include "userns.h"
#include <sys/mount.h>

#ifndef MNT_DETACH
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#endif

static char place[] = "/tmp/mounts_XXXXXX";

/* Become a mount namespace of one's own, private, and stand in an empty directory on a tmpfs that will go with it. */
__attribute__((unused)) static void private_place(void)
{
    MUST(unshare(CLONE_NEWNS));
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mkdtemp(place) ? 0 : -1);
    MUST(mount("place", place, "tmpfs", 0, "mode=755"));
    MUST(chdir(place));
}

__attribute__((unused)) static void leave_place(void)
{
    MUST(chdir("/"));
    umount2(place, MNT_DETACH);
    rmdir(place);
}

__attribute__((unused)) static void dirs(const char *names)
{
    char copy[256], *name, *rest = copy;
    strcpy(copy, names);
    while ((name = strsep(&rest, " ")))
        MUST(mkdir(name, 0755));
}

/* Numbers of peer groups are those of a whole machine: call them A, B, ... in the order in which they are seen. */
static int group_numbers[64], groups_seen;

static char group_letter(int number)
{
    for (int i = 0; i < groups_seen; i++)
        if (group_numbers[i] == number)
            return 'A' + i;
    group_numbers[groups_seen++] = number;
    return 'A' + groups_seen - 1;
}

/* Print the mounts of PID (0: self) below `place`: where, what, flags, propagation, type, source. */
__attribute__((unused)) static void show_mounts(const char *title, pid_t pid)
{
    char path[64], *line = NULL, text[65536];
    snprintf(path, sizeof path, pid ? "/proc/%d/mountinfo" : "/proc/self/mountinfo", pid);
    int fd = open(path, O_RDONLY), length = 0;
    long count;
    out("-- %s\n", title);
    if (fd < 0) {
        out("%s\n", errno_name(errno));
        return;
    }
    while ((count = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += count;
    text[length] = 0;
    close(fd);
    char *rest = text;
    while ((line = strsep(&rest, "\n"))) {
        char root[512], where[512], flags[256], tags[256] = "", type[64], source[256], *at;
        int used;
        if (sscanf(line, "%*d %*d %*s %511s %511s %255s%n", root, where, flags, &used) < 3)
            continue;
        char *inside = strncmp(where, place, strlen(place)) == 0 ? where + strlen(place) : NULL;
        if (!inside)
            continue;
        at = line + used;
        while (*at == ' ' && at[1] != '-') {
            int number, width = 0;
            char name[32];
            if (sscanf(at, " %31[a-z_]:%d%n", name, &number, &width) == 2)
                sprintf(tags + strlen(tags), " %s:%c", name, group_letter(number));
            else {
                sscanf(at, " %31s%n", name, &width);
                sprintf(tags + strlen(tags), " %s", name);
            }
            at += width;
        }
        sscanf(at, " - %63s %255s", type, source);
        if (strncmp(root, place + 4, strlen(place + 4)) == 0)
            memmove(root, root + strlen(place + 4), strlen(root) - strlen(place + 4) + 1);
        out("%s: %s of %s %s, %s%s\n", *inside ? inside : "/", root[0] == '/' ? root : "a namespace", type, source, flags, tags);
    }
}

#endif
