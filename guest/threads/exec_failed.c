/*
 * exec_failed -- an execve that fails leaves all threads alive
 */
#include "guest.h"

static volatile int beats;

static void *beat(void *argument)
{
    while (beats < 1000000000) {
        beats++;
        sleep_ms(1);
    }
    return NULL;
}

static void *attempt(void *argument)
{
    TRY(execl("/nonexistent", "x", (char *)NULL));
    TRY(execl("/", "x", (char *)NULL));
    int fd = open("not-a-program", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(fd, "\x7f" "ELF rubbish", 12);
    close(fd);
    TRY(execl("./not-a-program", "x", (char *)NULL));
    unlink("not-a-program");
    return NULL;
}

int main(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, beat, NULL);
    pthread_create(&b, NULL, attempt, NULL);
    pthread_join(b, NULL);
    int now = beats;
    sleep_ms(30);
    expect(beats > now, "the other thread still runs");
    return wrong;
}
