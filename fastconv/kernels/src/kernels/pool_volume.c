/* Pooling over the planes of a volume, where each has been pooled by itself. */
#include "shuffle.h"

/* best[i] = the larger of best[i] and value[i], NaN where one is; the earlier of equals stays, the later of NaNs. where[i] (or NULL) follows
 * it: index[i] + offset. `first`: there is nothing yet. */
void FC_NAME(merge_max)(ptrdiff_t count, const void *value, const int64_t *index, int64_t offset, int first, void *best, int64_t *where) {
    const real *from = value;
    real *to = best;
    if (first) {
        memcpy(to, from, (size_t)count * sizeof(real));
        for (ptrdiff_t i = 0; where && i < count; i++) where[i] = index[i] + offset;
    } else if (where) {
        for (ptrdiff_t i = 0; i < count; i++) {
            const int wins = (from[i] > to[i]) | (from[i] != from[i]);
            to[i] = wins ? from[i] : to[i];
            where[i] = wins ? index[i] + offset : where[i];
        }
    } else {
        for (ptrdiff_t i = 0; i < count; i++) to[i] = (from[i] > to[i]) | (from[i] != from[i]) ? from[i] : to[i];
    }
}

void FC_NAME(merge_sum)(ptrdiff_t count, const void *value, int first, void *sum) {
    const real *from = value;
    real *to = sum;
    if (first) memcpy(to, from, (size_t)count * sizeof(real));
    else
        for (ptrdiff_t i = 0; i < count; i++) to[i] += from[i];
}

/* row[i] /= divisors[i] * factor * depth. */
void FC_NAME(divide_row)(ptrdiff_t count, const void *divisors, double factor, double depth, void *row) {
    const real *divisor = divisors, scale = (real)factor * (real)depth;
    real *to = row;
    for (ptrdiff_t i = 0; i < count; i++) to[i] /= divisor[i] * scale;
}

/* sums[i] = the sum over `planes`, `pitch` apart, of source * its plane's factor, in their order. */
void FC_NAME(sum_planes)(ptrdiff_t planes, ptrdiff_t count, const void *source, ptrdiff_t pitch, const void *factors, void *sums) {
    const real *factor = factors;
    real *to = sums;
    if (planes == 0) memset(to, 0, (size_t)count * sizeof(real));
    for (ptrdiff_t p = 0; p < planes; p++) {
        const real *from = (const real *)source + p * pitch, scale = factor[p];
        if (p == 0)
            for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i] * scale;
        else
            for (ptrdiff_t i = 0; i < count; i++) to[i] += from[i] * scale;
    }
}
