/*
 * fork_tree -- a binary tree of processes, each adding up its children's results
 */
#include "guest.h"

static int grow(int depth)
{
    int pipes[2];
    if (depth == 0)
        return 1;
    MUST(pipe(pipes));
    for (int i = 0; i < 2; i++)
        FORK({
            int below = grow(depth - 1);
            write(pipes[1], &below, sizeof below);
            _exit(depth);
        });
    int total = 1, below, status;
    for (int i = 0; i < 2; i++) {
        if (read(pipes[0], &below, sizeof below) == sizeof below)
            total += below;
        if (wait(&status) < 0 || WEXITSTATUS(status) != depth)
            total += 10000;
    }
    close(pipes[0]);
    close(pipes[1]);
    return total;
}

int main(void)
{
    out("processes in a tree of depth 6: %d\n", grow(6));
    TRY(wait(NULL));
    /* A chain: each process is the child of the one before. */
    int pipes[2], depth = 0;
    MUST(pipe(pipes));
    while (depth < 40) {
        pid_t child = MUST(fork());
        if (child) {
            int status = reap(child);
            if (depth)
                _exit(WEXITSTATUS(status));
            out("a chain of 40: the last one's status came up: %s\n", status_name(status));
            return 0;
        }
        depth++;
    }
    _exit(depth);
}
