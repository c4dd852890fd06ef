/*
 * memory_hog -- touches memory until there is none left
 *
 * It ends by ENOMEM (status 12) or by the OOM killer.
 * guest: native=no
 */
#include "guest.h"

int main(void)
{
    for (;;) {
        char *block = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) {
            out("mmap: %s\n", errno_name(errno));
            return 12;
        }
        for (int i = 0; i < 16 << 20; i += 4096)
            block[i] = 1;
    }
}
