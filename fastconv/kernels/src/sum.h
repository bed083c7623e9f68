/* The sum of consecutive elements. */
#ifndef FC_SUM_H
#define FC_SUM_H

#include "shuffle.h"

/* Four vectors of partial sums, added up in pairs. */
FC_INLINE real sum_of(ptrdiff_t count, const real *from) {
    vec part[4];
    real lanes[FC_BYTES / sizeof(real)];
    ptrdiff_t i = 0;
    FC_UNROLL for (int j = 0; j < 4; j++) part[j] = broadcast(0);
    for (; i + 4 * VL <= count; i += 4 * VL)
        FC_UNROLL for (int j = 0; j < 4; j++) part[j] += load(from + i + j * VL);
    for (; i + VL <= count; i += VL) part[0] += load(from + i);
    if (i < count) part[1] += load_part(from + i, count - i);
    part[0] = (part[0] + part[1]) + (part[2] + part[3]);
    FC_UNROLL for (ptrdiff_t half = VL / 2; half > 0; half /= 2) part[0] = evens(part[0], part[0]) + odds(part[0], part[0]);
    store(lanes, part[0]);
    return lanes[0];
}

#endif
