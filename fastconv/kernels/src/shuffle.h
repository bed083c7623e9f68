/* Taking every second or fourth element of a row, and putting such rows together again, in vectors. */
#ifndef FC_SHUFFLE_H
#define FC_SHUFFLE_H

#include "vector.h"

#if FC_VECTORS
#if FC_BYTES / (4 << FC_DOUBLE) == 16
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOWS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGHS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define NEXTS 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
#elif FC_BYTES / (4 << FC_DOUBLE) == 8
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#define LOWS 0, 8, 1, 9, 2, 10, 3, 11
#define HIGHS 4, 12, 5, 13, 6, 14, 7, 15
#define NEXTS 1, 2, 3, 4, 5, 6, 7, 8
#elif FC_BYTES / (4 << FC_DOUBLE) == 4
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#define LOWS 0, 4, 1, 5
#define HIGHS 2, 6, 3, 7
#define NEXTS 1, 2, 3, 4
#else
#define EVENS 0, 2
#define ODDS 1, 3
#define LOWS 0, 2
#define HIGHS 1, 3
#define NEXTS 1, 2
#endif
#if FC_AVX2 && !FC_AVX512 && !FC_DOUBLE /* within the halves, then the halves' pairs: two instructions, for which the compiler takes three */
#define select_elements(a, b, which) \
    ((__typeof__(a))_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps((__m256)(a), (__m256)(b), which), 0xD8))
#define evens(a, b) select_elements(a, b, 0x88)           /* elements 0, 2, 4, ... of a then b */
#define odds(a, b) select_elements(a, b, 0xDD)            /* elements 1, 3, 5, ... */
#else
#define evens(a, b) __builtin_shufflevector(a, b, EVENS)
#define odds(a, b) __builtin_shufflevector(a, b, ODDS)
#endif
#define lows(a, b) __builtin_shufflevector(a, b, LOWS)    /* a and b in turns: the first half */
#define highs(a, b) __builtin_shufflevector(a, b, HIGHS)  /* and the second */
#define nexts(a, b) __builtin_shufflevector(a, b, NEXTS)  /* a from its second element on, then b's first */
#else
#define evens(a, b) (a)
#define odds(a, b) (b)
#define lows(a, b) (a)
#define highs(a, b) (b)
#define nexts(a, b) (b)
#endif

/* Lane j of the result is the sum of the lanes of v[j], for VL vectors. Pairwise: the error grows with the logarithm of the lanes. */
FC_INLINE vec sum_lanes(vec *v) {
    FC_UNROLL for (ptrdiff_t half = VL / 2; half > 0; half /= 2)
        FC_UNROLL for (ptrdiff_t j = 0; j < half; j++) v[j] = evens(v[2 * j], v[2 * j + 1]) + odds(v[2 * j], v[2 * j + 1]);
    return v[0];
}

#endif
