/*
 * debuggee_calls -- calls of library functions, in a child process, too
 * guest: libc=debug
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words)
{
    char *text = malloc(17);
    strcpy(text, "some text");
    printf("%zu %d\n", strlen(text), atoi("42"));
    fflush(stdout);
    if (count > 1) {
        if (fork() == 0) {
            puts("child");
            fflush(stdout);
            _exit(3);
        }
        int status;
        wait(&status);
        printf("%d\n", WEXITSTATUS(status));
    }
    free(text);
    return 5;
}
