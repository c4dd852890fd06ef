/*
 * bench_compute -- computing with loads and stores: six small kernels over some 250 KiB
 *
 * Arguments: the number of rounds; the name of a kernel, to run that one alone.  The kernels are a stream cipher (a byte:
 * four loads, three stores), particles (six and six), a matrix product (two and one), a hash table of words (three and
 * two), byte histograms (five and four) and reversing an array (two and two).
 * There is no system call in the measured part.  The checksum keeps the compiler honest and shows that everybody computed
 * the same.
 * guest: args=1
 */
#include "bench.h"

enum { TEXT = 65536, ORDER = 48, SLOTS = 4096, WORDS = TEXT / 4, PARTICLES = 1024 };

static union {
    uint8_t bytes[TEXT];
    uint32_t words[WORDS];
} text;
static uint8_t box[256];
static uint32_t a[ORDER][ORDER], b[ORDER][ORDER], c[ORDER][ORDER];
static uint32_t histogram[4][256];
static struct {
    uint32_t key, count, first, last;
} slots[SLOTS];
static struct {
    int32_t x, y, z, vx, vy, vz;
} particles[PARTICLES];

/* A cipher that walks a permutation. */
static void cipher(uint32_t key)
{
    uint8_t i = 0, j = 0;
    for (int k = 0; k < 256; k++)
        box[k] = k;
    for (int k = 0; k < 256; k++) {
        uint8_t old = box[k];
        j += old + (key >> (k & 24));
        box[k] = box[j];
        box[j] = old;
    }
    j = 0;
    for (int k = 0; k < TEXT; k++) {
        uint8_t x = box[++i], y = box[j += x];
        box[i] = y;
        box[j] = x;
        text.bytes[k] ^= box[(uint8_t)(x + y)];
    }
}

/* Points on springs, in fixed point. */
static void motion(uint32_t key)
{
    for (int i = 0; i < PARTICLES; i++)
        particles[i].x += key >> (i & 15);
    for (int step = 0; step < 40; step++)
        for (int i = 0; i < PARTICLES; i++) {
            particles[i].vx -= particles[i].x >> 8;
            particles[i].vy -= particles[i].y >> 8;
            particles[i].vz -= particles[i].z >> 8;
            particles[i].x += particles[i].vx;
            particles[i].y += particles[i].vy;
            particles[i].z += particles[i].vz;
        }
}

static void matrix(uint32_t key)
{
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) {
            a[i][j] = text.words[i * ORDER + j] + key;
            b[i][j] = text.words[j * ORDER + i];
            c[i][j] = 0;
        }
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < ORDER; i++)
            for (int k = 0; k < ORDER; k++)
                for (int j = 0; j < ORDER; j++)
                    c[i][j] += a[i][k] * b[k][j];
}

/* Count words of eleven bits with open addressing. */
static void hash(uint32_t key)
{
    memset(slots, 0, sizeof slots);
    for (uint32_t k = 0; k < 2 * WORDS; k++) {
        uint32_t word = (text.words[k % WORDS] + key) & 2047, at = word * 2654435761u >> 20;
        while (slots[at].count && slots[at].key != word)
            at = (at + 1) % SLOTS;
        if (!slots[at].count++)
            slots[at].first = k;
        slots[at].key = word;
        slots[at].last = k;
    }
}

static void count(uint32_t key)
{
    for (int pass = 0; pass < 4; pass++)
        for (int i = 0; i < WORDS; i++) {
            uint32_t word = text.words[i] + key;
            histogram[0][word & 255]++;
            histogram[1][word >> 8 & 255]++;
            histogram[2][word >> 16 & 255]++;
            histogram[3][word >> 24]++;
        }
}

static void reverse(uint32_t key)
{
    for (int pass = 0; pass < 25; pass++)
        for (uint32_t i = 0, j = WORDS - 1; i < j; i++, j--) {
            uint32_t word = text.words[i];
            text.words[i] = text.words[j] + key;
            text.words[j] = word;
        }
}

static const struct {
    const char *name;
    void (*run)(uint32_t key);
} kernels[] = {
    {"cipher", cipher}, {"motion", motion}, {"matrix", matrix}, {"hash", hash}, {"count", count}, {"reverse", reverse},
};

static uint32_t checksum(const void *data, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size / 4; i++)
        sum = sum * 31 + ((const uint32_t *)data)[i];
    return sum;
}

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 20);
    for (int i = 0; i < PARTICLES; i++)
        particles[i].x = i * 77, particles[i].y = i * 33, particles[i].z = i;
    for (int i = 0; i < WORDS; i++)
        text.words[i] = i * 2654435761u;
    start();
    for (long round = 0; round < n; round++)
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
            if (argc < 3 || strcmp(argv[2], kernels[k].name) == 0)
                kernels[k].run(round);
    stop();
    out("checksum %08x %08x %08x %08x %08x\n", checksum(&text, sizeof text), checksum(particles, sizeof particles),
        checksum(c, sizeof c), checksum(slots, sizeof slots), checksum(histogram, sizeof histogram));
    return 0;
}
