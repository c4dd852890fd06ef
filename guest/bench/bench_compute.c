/*
 * bench_compute -- computing with loads and stores: a stream cipher, a sieve, a matrix product, a hash table
 *
 * Argument: the number of rounds.  A round is about a million basic blocks, most of them with two to seven memory
 * accesses each, in some 200 KiB.  There is no system call in the measured part.  The checksum keeps the compiler honest and
 * shows that everybody computed the same.
 * guest: args=1
 */
#include "bench.h"

enum { TEXT = 65536, SIEVE = 65536, ORDER = 48, SLOTS = 4096 };

static uint8_t text[TEXT], box[256], composite[SIEVE];
static uint32_t a[ORDER][ORDER], b[ORDER][ORDER], c[ORDER][ORDER];
static struct {
    uint32_t key, count, first, last;
} slots[SLOTS];

/* A cipher that walks a permutation: four loads and three stores a byte. */
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
        text[k] ^= box[(uint8_t)(x + y)];
    }
}

static uint32_t sieve(void)
{
    uint32_t primes = 0;
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i < SIEVE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint32_t k = i * i; i < 256 && k < SIEVE; k += i)
            composite[k] = 1;
    }
    return primes;
}

static void product(void)
{
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) {
            a[i][j] = text[(i * ORDER + j) * 3];
            b[i][j] = text[(i * ORDER + j) * 5];
            c[i][j] = 0;
        }
    for (int i = 0; i < ORDER; i++)
        for (int k = 0; k < ORDER; k++)
            for (int j = 0; j < ORDER; j++)
                c[i][j] += a[i][k] * b[k][j];
}

/* Count 16-bit words with open addressing. */
static void count(void)
{
    memset(slots, 0, sizeof slots);
    for (uint32_t k = 0; k + 2 <= TEXT; k += 2) {
        uint32_t key = (text[k] | text[k + 1] << 8) & 2047, at = key * 2654435761u >> 20;
        while (slots[at].count && slots[at].key != key)
            at = (at + 1) & (SLOTS - 1);
        if (!slots[at].count++)
            slots[at].first = k;
        slots[at].key = key;
        slots[at].last = k;
    }
}

int main(int argc, char **argv)
{
    long n = number(argc, argv, 1, 20);
    uint32_t sum = 0;
    start();
    for (long round = 0; round < n; round++) {
        for (int pass = 0; pass < 4; pass++)
            cipher(round * 4 + pass);
        sum += sieve();
        product();
        count();
        for (int i = 0; i < SLOTS; i++)
            sum = sum * 31 + slots[i].count + slots[i].last;
        for (int i = 0; i < ORDER; i++)
            sum ^= c[i][i];
    }
    stop();
    out("checksum %08x\n", sum);
    return 0;
}
