/*
 * bench.h -- what the benchmark programs share: the marks around the measured part
 *
 * "start\n" and "stop\n" go to standard output with one write each, at once, so that a driver outside can take the
 * time between them.  The program's own clock would not do: in the machine it is virtual.
 */
#ifndef BENCH_H
#define BENCH_H

#include "guest.h"

/* Argument `index` as a number, or `standard` when it is not given. */
__attribute__((unused)) static long number(int argc, char **argv, int index, long standard)
{
    return argc > index ? atol(argv[index]) : standard;
}

static void start(void) { MUST(write(1, "start\n", 6)); }

static void stop(void) { MUST(write(1, "stop\n", 5)); }

#endif
