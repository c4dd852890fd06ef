/*
 * procfile.h -- reading and writing small files of /proc, and printing what happened.
 */
#ifndef PROCFILE_H
#define PROCFILE_H

#include "guest.h"
#include <dirent.h>

static char text[1 << 16];

/* Read all of a file; the length, or minus the errno of open or read. */
__attribute__((unused)) static int slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -errno;
    int total = 0, length;
    while ((length = read(fd, text + total, sizeof text - 1 - total)) > 0)
        total += length;
    int failed = length < 0 ? errno : 0;
    close(fd);
    text[total] = 0;
    return failed ? -failed : total;
}

/* The path of a file of a process. */
__attribute__((unused)) static const char *of(int pid, const char *name)
{
    static char path[4][128];
    static int turn;
    char *now = path[turn++ & 3];
    snprintf(now, 128, "/proc/%d/%s", pid, name);
    return now;
}

/* Write to a file and print the outcome as "WHAT [data] = 3" or "WHAT [data] = EINVAL". */
__attribute__((unused)) static void put(const char *what, const char *path, const char *data, size_t length)
{
    char shown[64];
    size_t j = 0;
    for (size_t i = 0; i < length && j < sizeof shown - 6; i++)
        j += data[i] >= ' ' ? snprintf(shown + j, 6, "%c", data[i]) : snprintf(shown + j, 6, "\\%o", data[i]);
    shown[j] = 0;
    int fd = open(path, O_WRONLY);
    if (fd < 0) {
        out("%s [%s] = open: %s\n", what, shown, errno_name(errno));
        return;
    }
    long result = write(fd, data, length);
    out("%s [%s] = %s", what, shown, result < 0 ? errno_name(errno) : "");
    if (result >= 0)
        out("%ld", result);
    out("\n");
    close(fd);
}

#define PUT(what, path, data) put(what, path, data, strlen(data))

/* The rest of the line that begins with a key in what slurp read. */
__attribute__((unused)) static const char *field(const char *key)
{
    static char value[512];
    value[0] = 0;
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, key, strlen(key)) == 0) {
            snprintf(value, sizeof value, "%s", line + strlen(key));
            value[strcspn(value, "\n")] = 0;
            return value;
        }
    return "none";
}

/* The one letter of stat for a process. */
__attribute__((unused)) static char letter_of(int pid)
{
    if (slurp(of(pid, "stat")) <= 0)
        return '?';
    char *end = strrchr(text, ')');
    return end ? end[2] : '?';
}

/* How many entries a directory has, minus the errno if it cannot be read. */
__attribute__((unused)) static int entries(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int count = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            count++;
    closedir(dir);
    return count;
}

__attribute__((unused)) static const char *outcome(int result)
{
    static char shown[32];
    if (result < 0)
        return errno_name(-result);
    snprintf(shown, sizeof shown, "%s", result ? "text" : "empty");
    return shown;
}

#endif
