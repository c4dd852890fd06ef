/*
 * cpuid -- the processor is at least x86-64-v2 and what it advertises works
 */
#include "guest.h"
#include <cpuid.h>

int main(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    expect(__get_cpuid(1, &a, &b, &c, &d) && (a | b) != 0, "leaf 1");
    expect(d & bit_SSE2, "SSE2");
    expect(c & bit_SSE3, "SSE3");
    expect(c & bit_SSSE3, "SSSE3");
    expect(c & bit_SSE4_1, "SSE4.1");
    expect(c & bit_SSE4_2, "SSE4.2");
    expect(c & bit_POPCNT, "POPCNT");
    expect(c & bit_CMPXCHG16B, "CMPXCHG16B");
    unsigned long count = 0;
    asm("popcntq %1, %0" : "=r"(count) : "r"(0xf0f0f0f0f0f0f0f0UL));
    out("popcnt %lu\n", count);
    unsigned crc = 0;
    asm("crc32l %1, %0" : "+r"(crc) : "r"(0x12345678));
    out("crc32 %#x\n", crc);
    __get_cpuid(0x80000001, &a, &b, &c, &d);
    expect(d & (1 << 29), "long mode");
    expect(d & (1 << 20), "no-execute pages");
    return wrong;
}
