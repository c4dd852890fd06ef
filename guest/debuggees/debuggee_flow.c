/*
 * debuggee_flow -- what a debugger steps through: calls, recursion, data, a child process, signals
 * guest: libc=debug
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct point { int x, y; double weight; };
int total;
static struct point origin = {1, 2, 0.5};
int array[8];
int twice(int x)
{
    int y = x * 2;
    return y;
}
double scaled(struct point *p, double factor)
{
    p->weight *= factor;
    return p->weight + twice(p->x);
}
int deep(int n)
{
    if (n == 0)
        return twice(21);
    return deep(n - 1) + 1;
}
static volatile int got;
static void handler(int number)
{
    got = number;
}
int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "plain";
    signal(SIGUSR1, handler);
    for (int i = 0; i < 3; i++) {
        total += twice(i);
        array[i] = total;
    }
    double s = scaled(&origin, 3.0);
    total += deep(3);
    if (!strcmp(what, "fork") || !strcmp(what, "vfork")) {
        pid_t pid = !strcmp(what, "fork") ? fork() : vfork();
        if (pid == 0) {
            if (!strcmp(what, "fork")) {
                total = twice(total);
                execl("/bin/busybox", "busybox", "true", (char *)0);
            }
            _exit(3);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("child %d\n", WEXITSTATUS(status));
    }
    if (!strcmp(what, "signal")) {
        raise(SIGUSR1);
        raise(SIGUSR2);
    }
    if (!strcmp(what, "abort"))
        abort();
    printf("total %d s %.1f got %d\n", total, s, got);
    return total & 0x7f;
}
