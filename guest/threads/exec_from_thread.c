/*
 * exec_from_thread -- a thread that is not the first calls execve: the new image has the process's pid, the others are gone
 *
 * The process keeps its children, its pid and its parent; the thread id of the caller becomes the pid.  Ends with status 42.
 */
#include "guest.h"

static pid_t process;

static void *spin(void *argument)
{
    for (volatile unsigned long i = 0;; i++)
        ;
    return NULL;
}

static void *sleep_for_ever(void *argument)
{
    pause();
    return NULL;
}

static void *executor(void *argument)
{
    char pid[16];
    sleep_ms(20);
    snprintf(pid, sizeof pid, "%d", process);
    expect(syscall(SYS_gettid) != process, "the caller of execve is not the first thread");
    execl("/proc/self/exe", "again", pid, (char *)NULL);
    return NULL;
}

static int threads_now(void)
{
    char line[256];
    int count = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    fclose(file);
    return count;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        expect(getpid() == atoi(argv[1]), "the pid is kept");
        expect(syscall(SYS_gettid) == getpid(), "the thread id is the pid");
        out("threads %d\n", threads_now());
        int status;
        pid_t child = wait(&status);
        expect(child > 0, "the child is still ours");
        out("%s\n", status_name(status));
        return wrong ? 1 : 42;
    }
    process = getpid();
    FORK({
        sleep_ms(80);
        _exit(9);
    });
    pthread_t thread;
    for (int i = 0; i < 5; i++)
        pthread_create(&thread, NULL, i % 2 ? spin : sleep_for_ever, NULL);
    pthread_create(&thread, NULL, executor, NULL);
    pause();
    return 1;
}
