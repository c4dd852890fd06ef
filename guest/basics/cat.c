/*
 * cat -- copy standard input to standard output
 *
 * What the caller feeds must come out unchanged; the end of the input ends the program.
 */
#include "guest.h"

int main(void)
{
    char buffer[1000];
    ssize_t length;
    long total = 0;
    while ((length = read(0, buffer, sizeof buffer)) > 0) {
        total += length;
        for (ssize_t done = 0; done < length;)
            done += MUST(write(1, buffer + done, length - done));
    }
    out("[%ld bytes]\n", total);
    return length < 0;
}
