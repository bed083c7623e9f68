/* Sums and a check over many elements. */
#include <math.h>

#include "shuffle.h"

/* sums[j] = the sum over rows i, in their order, of source[i * row_stride + j], for j < count. */
void FC_NAME(sum_rows)(ptrdiff_t rows, ptrdiff_t count, const void *source, ptrdiff_t row_stride, void *sums) {
    real *total = sums;
    for (ptrdiff_t j = 0; j < count; j++) total[j] = 0;
    for (ptrdiff_t i = 0; i < rows; i++) {
        const real *row = (const real *)source + i * row_stride;
        for (ptrdiff_t j = 0; j < count; j++) total[j] += row[j];
    }
}

/* start + the sum of `count` elements: four vectors of partial sums, added up in pairs. */
double FC_NAME(sum)(ptrdiff_t count, const void *source, double start) {
    const real *from = source;
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
    return start + lanes[0];
}

int FC_NAME(all_finite)(ptrdiff_t count, const void *source) {
    const real *from = source;
    ptrdiff_t i = 0;
    vec zero = broadcast(0);
    for (; i + VL <= count; i += VL) {
        const vec x = load(from + i);
        zero += x * 0; /* stays zero; infinity and NaN make it NaN */
    }
    real lanes[FC_BYTES / sizeof(real)], total = 0;
    store(lanes, zero);
    for (ptrdiff_t j = 0; j < VL; j++) total += lanes[j];
    for (; i < count; i++) total += from[i] * 0;
    return total == 0;
}
