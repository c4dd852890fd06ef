/*
 * robust -- a robust mutex whose owner dies: EOWNERDEAD, made consistent, or lost for ever
 *
 * The owner may be a thread that ends or a process that is killed; exec counts as death too.
 */
#include "guest.h"

static pthread_mutex_t *lock;

static void *die_with_lock(void *argument)
{
    pthread_mutex_lock(lock);
    return NULL;
}

static void fresh(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(lock, &attributes);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 0;
    lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;

    fresh();
    pthread_create(&thread, NULL, die_with_lock, NULL);
    pthread_join(thread, NULL);
    TRY_P(pthread_mutex_lock(lock));
    TRY_P(pthread_mutex_consistent(lock));
    TRY_P(pthread_mutex_unlock(lock));
    TRY_P(pthread_mutex_lock(lock));
    TRY_P(pthread_mutex_unlock(lock));

    fresh();
    pid_t child = FORK({
        pthread_mutex_lock(lock);
        raise(SIGKILL);
    });
    out("owner: %s\n", status_name(reap(child)));
    TRY_P(pthread_mutex_trylock(lock));
    TRY_P(pthread_mutex_unlock(lock));
    TRY_P(pthread_mutex_lock(lock));

    fresh();
    child = FORK({
        pthread_mutex_lock(lock);
        execl("/proc/self/exe", "robust", "exec", NULL);
    });
    out("owner after exec: %s\n", status_name(reap(child)));
    TRY_P(pthread_mutex_lock(lock));
    TRY_P(pthread_mutex_consistent(lock));
    TRY_P(pthread_mutex_unlock(lock));

    /* A waiter is woken when the owner dies. */
    fresh();
    int pipes[2];
    MUST(pipe(pipes));
    child = FORK({
        pthread_mutex_lock(lock);
        write(pipes[1], "l", 1);
        pause();
    });
    char byte;
    read(pipes[0], &byte, 1);
    pid_t waiter = FORK({
        write(pipes[1], "w", 1);
        TRY_P(pthread_mutex_lock(lock));
    });
    read(pipes[0], &byte, 1);
    await_state(waiter, "S");
    kill(child, SIGKILL);
    reap(child);
    out("waiter: %s\n", status_name(reap(waiter)));
    return 0;
}
