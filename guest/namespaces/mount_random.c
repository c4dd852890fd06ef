/*
 * mount_random -- random histories of mount, bind, move, umount and propagation types in two namespaces: the same trees every time
 * guest: needs=root args=60
 */
#include "mounts.h"

static uint64_t state = 88172645463325252ULL;

static unsigned pick(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 20) % limit;
}

static const char *const PLACES[] = {"a", "b", "c", "a/x", "b/x", "c/x", "a/x/y", "b/x/y", "c/y", "a/y"};
#define COUNT (sizeof PLACES / sizeof *PLACES)

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* A number that stands for the mounts below `place`: where, what, propagation; whatever their order. */
static void show_tree(int step, const char *what, int result)
{
    static char text[262144];
    char *lines[2048], *line, *rest = text, shown[700];
    int count = 0, length = 0;
    long got;
    unsigned hash = 5381;
    int fd = MUST(open("/proc/self/mountinfo", O_RDONLY));
    while ((got = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += got;
    close(fd);
    text[length] = 0;
    while ((line = strsep(&rest, "\n")) && count < 2048) {
        char root[300], where[300], flags[100], tags[200] = "", type[32], source[64], *at;
        int used;
        if (sscanf(line, "%*d %*d %*s %299s %299s %99s%n", root, where, flags, &used) < 3 || strncmp(where, place, strlen(place)))
            continue;
        for (at = line + used; *at == ' ' && at[1] != '-';) {
            int number, width = 0;
            char name[32];
            if (sscanf(at, " %31[a-z_]:%d%n", name, &number, &width) == 2)
                sprintf(tags + strlen(tags), "%s,", name);
            else {
                sscanf(at, " %31s%n", name, &width);
                sprintf(tags + strlen(tags), "%s,", name);
            }
            at += width;
        }
        sscanf(at, " - %31s %63s", type, source);
        const char *inside = strncmp(root, place + 4, strlen(place + 4)) == 0 ? root + strlen(place + 4) : root;
        snprintf(shown, sizeof shown, "%s=%s%s[%s]", where + strlen(place), source, inside, tags);
        lines[count++] = strdup(shown);
    }
    qsort(lines, count, sizeof *lines, by_text);
    for (int i = 0; i < count; i++) {
        for (char *c = lines[i]; *c; c++)
            hash = hash * 33 + (unsigned char)*c;
        if (getenv("SHOW"))
            out("    %s\n", lines[i]);
        free(lines[i]);
    }
    out("%d %s: %s, %d mounts, %08x\n", step, what, result ? errno_name(result) : "ok", count, hash);
}

static void act(int step, int total)
{
    static const int TYPES[] = {MS_SHARED, MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE};
    static const char *const NAMES[] = {"shared", "shared", "slave", "private", "unbindable"};
    const char *one = PLACES[pick(COUNT)], *two = PLACES[pick(COUNT)];
    char what[128], source[16];
    unsigned kind = pick(20), type = pick(5), recursive = pick(2) ? MS_REC : 0;
    int result;
    errno = 0;
    if (kind < 5) {
        snprintf(source, sizeof source, "m%d", step);
        snprintf(what, sizeof what, "tmpfs on %s", one);
        result = mount(source, one, "tmpfs", 0, NULL);
        if (!result) {
            char path[64];
            for (const char *const *name = (const char *const[]){"x", "y", "x/y", NULL}; *name; name++) {
                snprintf(path, sizeof path, "%s/%s", one, *name);
                mkdir(path, 0755);
            }
            errno = 0;
        }
    } else if (kind < 10) {
        snprintf(what, sizeof what, "%sbind %s on %s", recursive ? "r" : "", one, two);
        result = mount(one, two, NULL, MS_BIND | recursive, NULL);
    } else if (kind < 15) {
        snprintf(what, sizeof what, "%s %s%s", one, recursive ? "r" : "", NAMES[type]);
        result = mount(NULL, one, NULL, TYPES[type] | recursive, NULL);
    } else if (kind < 17) {
        snprintf(what, sizeof what, "move %s to %s", one, two);
        result = mount(one, two, NULL, MS_MOVE, NULL);
    } else if (kind < 19) {
        snprintf(what, sizeof what, "umount %s", one);
        result = umount2(one, 0);
    } else {
        snprintf(what, sizeof what, "umount -l %s", one);
        result = umount2(one, MNT_DETACH);
    }
    show_tree(step, what, result ? errno : 0);
}

int main(int argc, char **argv)
{
    int total = argc > 1 ? atoi(argv[1]) : 60;
    if (argc > 2)
        state += strtoull(argv[2], NULL, 10) * 7919;
    private_place();
    dirs("a b c a/x a/y b/x c/x c/y a/x/y b/x/y");
    for (int step = 0; step < total; step++) {
        act(step, total);
        if (step == total / 2) {
            /* From here on in a copy, while somebody stays behind who sees what comes back. */
            int go[2];
            char byte;
            MUST(pipe(go));
            pid_t pid = FORK(close(go[1]); MUST(unshare(CLONE_NEWNS)); for (step++; step < total; step++) act(step, total));
            reap(pid);
            show_tree(step, "left behind", 0);
            (void)byte;
            break;
        }
    }
    leave_place();
    return 0;
}
