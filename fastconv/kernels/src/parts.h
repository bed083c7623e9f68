/* Vectors at the end of an array, of which only `left` elements are there. */
#ifndef FC_PARTS_H
#define FC_PARTS_H

#include "vector.h"

FC_INLINE vec take_or(const real *p, ptrdiff_t left, real filler) { return left >= VL ? load(p) : load_between(p, 0, left, filler); }

/* In pairs: shorter than one after the other. */
FC_INLINE real sum_of_lanes(vec v) {
    real lanes[VL_ELEMENTS];
    store(lanes, v);
    FC_UNROLL for (ptrdiff_t half = VL / 2; half > 0; half /= 2)
        FC_UNROLL for (ptrdiff_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    return lanes[0];
}

/* Vectors that are added up before a sum of sums takes over, so that of many terms each meets few roundings. */
enum { BLOCK = 32 };

/* A sum of positive terms that remembers what its roundings lost (Kahan): beside a large term, a million small ones still count. */
typedef struct { vec value, lost; } exact_sum;
FC_INLINE void add_exactly(exact_sum *sum, vec term) {
    const vec missing = term - sum->lost, next = sum->value + missing;
    sum->lost = (next - sum->value) - missing;
    sum->value = next;
}

#endif
