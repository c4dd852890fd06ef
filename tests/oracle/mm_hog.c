/* A child takes all memory there is; then a second process reads a large file, which must not cost anybody his life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int status;
    pid_t child = fork();
    if (!child)
        for (;;)
            memset(malloc(1 << 20), 1, 1 << 20);
    waitpid(child, &status, 0);
    printf("child killed by %d\n", WTERMSIG(status));
    char *p = malloc(8 << 20);
    memset(p, 2, 8 << 20);
    printf("parent has %d\n", p[1 << 20]);
    return 0;
}
