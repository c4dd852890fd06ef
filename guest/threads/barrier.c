/*
 * barrier -- barriers, read-write locks, semaphores, spin locks and once
 */
#include "guest.h"
#include <semaphore.h>

static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_spinlock_t spin;
static sem_t semaphore;
static int phase_count[20], serial, once_count, value, inconsistent, inside, most_inside;

static void initialise(void) { once_count++; }

static void *phases(void *argument)
{
    for (int phase = 0; phase < 20; phase++) {
        __atomic_add_fetch(&phase_count[phase], 1, __ATOMIC_SEQ_CST);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
        if (phase_count[phase] != 8)
            inconsistent = 1;
    }
    return NULL;
}

static void *others(void *argument)
{
    long number = (long)argument;
    pthread_once(&once, initialise);
    for (int i = 0; i < 100; i++) {
        if (number % 4 == 0) {
            pthread_rwlock_wrlock(&rw);
            value++;
            sched_yield();
            value++;
            pthread_rwlock_unlock(&rw);
        } else {
            pthread_rwlock_rdlock(&rw);
            if (value & 1)
                inconsistent = 1;
            pthread_rwlock_unlock(&rw);
        }
        sem_wait(&semaphore);
        pthread_spin_lock(&spin);
        if (++inside > most_inside)
            most_inside = inside;
        pthread_spin_unlock(&spin);
        pthread_spin_lock(&spin);
        inside--;
        pthread_spin_unlock(&spin);
        sem_post(&semaphore);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&barrier, NULL, 8);
    pthread_spin_init(&spin, 0);
    sem_init(&semaphore, 0, 2);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, phases, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    out("20 phases, %d serial threads\n", serial);
    for (long i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, others, (void *)i);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    expect(!inconsistent, "no reader saw a half-made write");
    expect(most_inside <= 2 && inside == 0, "the semaphore let at most two in");
    out("once %d, value %d\n", once_count, value);
    int number;
    sem_getvalue(&semaphore, &number);
    out("semaphore %d\n", number);
    TRY(sem_trywait(&semaphore));
    TRY(sem_trywait(&semaphore));
    TRY(sem_trywait(&semaphore));
    return wrong;
}
