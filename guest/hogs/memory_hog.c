/*
 * memory_hog -- touches memory until there is none left
 *
 * A child does it, so that the parent can tell how it ended: by ENOMEM or by the OOM killer.
 * guest: native=no
 */
#include "guest.h"

int main(void)
{
    pid_t child = FORK({
        for (;;) {
            char *block = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (block == MAP_FAILED) {
                out("mmap: %s\n", errno_name(errno));
                _exit(12);
            }
            for (int i = 0; i < 16 << 20; i += 4096)
                block[i] = 1;
        }
    });
    out("hog: %s\n", status_name(reap(child)));
    return 0;
}
