/* Softmax and its logarithm over one row: the largest value is taken off first, so nothing overflows. */
#include <math.h>

#include "exponential.h"

/* The row's maximum; `terms` (may be NULL) receives e^(x - maximum), and their sum is returned through `sum`. */
FC_INLINE real row_sum(ptrdiff_t count, const real *row, real *terms, real *sum) {
    real top = row[0], lanes[FC_BYTES / sizeof(real)];
    for (ptrdiff_t i = 1; i < count; i++) top = row[i] > top ? row[i] : top;
    vec total = broadcast(0);
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t part = count - i < VL ? count - i : VL;
        vec x;
        if (part == VL) {
            x = load(row + i);
        } else {
            for (ptrdiff_t j = 0; j < VL; j++) lanes[j] = j < part ? row[i + j] : -(real)INFINITY;
            x = load(lanes);
        }
        const vec e = exponential(x - broadcast(top));
        total += e;
        if (terms) {
            if (part == VL) store(terms + i, e);
            else store_part(terms + i, e, part);
        }
    }
    store(lanes, total);
    *sum = 0;
    for (ptrdiff_t j = 0; j < VL; j++) *sum += lanes[j];
    return top;
}

void FC_NAME(softmax_row)(ptrdiff_t count, const void *input, void *output) {
    real *to = output, sum;
    row_sum(count, input, to, &sum);
    for (ptrdiff_t i = 0; i < count; i++) to[i] /= sum;
}

void FC_NAME(log_softmax_row)(ptrdiff_t count, const void *input, void *output) {
    const real *from = input;
    real *to = output, sum;
    const real top = row_sum(count, from, NULL, &sum);
#if FC_DOUBLE
    const real logarithm = log(sum);
#else
    const real logarithm = logf(sum);
#endif
    for (ptrdiff_t i = 0; i < count; i++) to[i] = (from[i] - top) - logarithm;
}
