/*
 * many_forks -- 10,000 times fork, exit and wait, one after the other
 * guest: slow=yes args=10000 timeout=60
 */
#include "guest.h"

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10000, good = 0;
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(i & 127);
        int status;
        if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == (i & 127))
            good++;
    }
    out("%d of %d children came and went\n", good, count);
    TRY(wait(NULL));
    return good != count;
}
