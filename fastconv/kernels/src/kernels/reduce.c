/* Sums and a check over many elements. */
#include <math.h>

#include "sum.h"

/* sums[j] = the sum over rows i, in their order, of source[i * row_stride + j], for j < count. */
void FC_NAME(sum_rows)(ptrdiff_t rows, ptrdiff_t count, const void *source, ptrdiff_t row_stride, void *sums) {
    real *total = sums;
    for (ptrdiff_t j = 0; j < count; j++) total[j] = 0;
    for (ptrdiff_t i = 0; i < rows; i++) {
        const real *row = (const real *)source + i * row_stride;
        for (ptrdiff_t j = 0; j < count; j++) total[j] += row[j];
    }
}

/* start + the sum of `count` elements. */
double FC_NAME(sum)(ptrdiff_t count, const void *source, double start) { return start + sum_of(count, source); }

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
