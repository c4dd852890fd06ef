/*
 * append -- O_APPEND: several writers, no lost line; without it they overwrite each other
 */
#include "guest.h"

int main(void)
{
    int fd = MUST(open("log", O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0600));
    for (int i = 0; i < 4; i++)
        FORK({
            int mine = open("log", O_WRONLY | O_APPEND);
            char line[16];
            for (int j = 0; j < 50; j++) {
                int length = snprintf(line, sizeof line, "%d:%02d\n", i, j);
                write(mine, line, length);
                if (j % 7 == i)
                    sched_yield();
            }
        });
    while (wait(NULL) > 0)
        ;
    char *text = calloc(1, 4000);
    ssize_t length = pread(fd, text, 3999, 0);
    out("bytes %zd\n", length);
    int next[4] = {0}, good = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int writer, number;
        if (sscanf(line, "%d:%d", &writer, &number) == 2 && number == next[writer]++)
            good++;
    }
    out("lines in order per writer: %d\n", good);
    TRY(lseek(fd, 5, SEEK_SET));
    TRY(write(fd, "end", 3));
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(fcntl(fd, F_SETFL, 0));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(write(fd, "START", 5));
    pread(fd, text, 8, 0);
    text[5] = 0; /* what follows is the first line's rest, whosever it is */
    out("%s\n", text);
    unlink("log");
    return 0;
}
