/* Pooling over rows of pixels. The driver lays the rows out so that each tap of the window is a run of consecutive elements
 * (slab + offsets[t] + output column), whatever the stride; each step below then handles a vector of output columns. */
#include <math.h>

#include "vector.h"

/* Later values win where they are larger or NaN, so a NaN stays and the first of equal values is kept. */
FC_INLINE mask wins(vec value, vec best) { return FC_MASK(value > best) | FC_MASK(value != value); }

/* output[i] = the largest of the taps, NaN where a tap is NaN. */
void FC_NAME(max_taps)(ptrdiff_t count, ptrdiff_t taps, const void *slab, const ptrdiff_t *offsets, void *output) {
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const real *column = (const real *)slab + i;
        vec best = load(column + offsets[0]);
        for (ptrdiff_t t = 1; t < taps; t++) {
            const vec value = load(column + offsets[t]);
            best = pick(wins(value, best), value, best);
        }
        if (count - i >= VL) store((real *)output + i, best);
        else store_part((real *)output + i, best, count - i);
    }
}

/* The same with the place of the winner: indices[i] = positions[t] + start + i * step, flat in the plane. A window that holds
 * nothing above minus infinity takes its first element inside the image: columns from start + i * step on, `dilation` apart. */
void FC_NAME(argmax_taps)(ptrdiff_t count, ptrdiff_t taps, const void *slab, const ptrdiff_t *offsets, const ptrdiff_t *positions,
                          ptrdiff_t start, ptrdiff_t step, ptrdiff_t dilation, ptrdiff_t width, void *output, int64_t *indices) {
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const real *column = (const real *)slab + i;
        const ptrdiff_t lanes = count - i < VL ? count - i : VL;
        vec best = broadcast(-INFINITY);
        mask winner = mask_of(-1);
        for (ptrdiff_t t = 0; t < taps; t++) {
            const vec value = load(column + offsets[t]);
            const mask better = wins(value, best);
            best = pick(better, value, best);
            winner = (better & mask_of((integer)t)) | (~better & winner);
        }
        if (lanes == VL) store((real *)output + i, best);
        else store_part((real *)output + i, best, lanes);
        integer tap[FC_BYTES / sizeof(real)];
        memcpy(tap, &winner, sizeof winner);
        for (ptrdiff_t lane = 0; lane < lanes; lane++) {
            ptrdiff_t origin = start + (i + lane) * step;
            if (tap[lane] >= 0) {
                indices[i + lane] = positions[tap[lane]] + origin;
            } else {
                if (origin < 0) origin += (-origin + dilation - 1) / dilation * dilation;
                indices[i + lane] = positions[0] + (origin < width ? origin : width - 1);
            }
        }
    }
}

/* output[i] = the sum of the taps over factor * divisors[i] (divisors NULL: over factor). Each row of KW taps is summed, then the rows. */
void FC_NAME(mean_taps)(ptrdiff_t count, ptrdiff_t KH, ptrdiff_t KW, const void *slab, const ptrdiff_t *offsets, const void *divisors,
                        double factor, void *output) {
    const vec scale = broadcast((real)factor);
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const real *column = (const real *)slab + i;
        const ptrdiff_t lanes = count - i < VL ? count - i : VL;
        vec total = broadcast(0);
        for (ptrdiff_t kh = 0; kh < KH; kh++) {
            vec row = broadcast(0);
            for (ptrdiff_t kw = 0; kw < KW; kw++) row += load(column + offsets[kh * KW + kw]);
            total += row;
        }
        if (divisors) total /= scale * load((const real *)divisors + i);
        else total /= scale;
        if (lanes == VL) store((real *)output + i, total);
        else store_part((real *)output + i, total, lanes);
    }
}

/* share[i] = gradient[i] * (factor * columns[i]): what each tap of window i receives. */
void FC_NAME(share_row)(ptrdiff_t count, const void *gradient, const void *columns, double factor, void *share) {
    const real *from = gradient, *column = columns;
    real *to = share;
    for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i] * ((real)factor * column[i]);
}

/* target[indices[i]] += gradient[i], in order; false, and nothing written there, where an index lies outside of target's pixels. */
int FC_NAME(scatter_add)(ptrdiff_t count, const void *gradient, const int64_t *indices, ptrdiff_t pixels, void *target) {
    for (ptrdiff_t i = 0; i < count; i++) {
        if ((uint64_t)indices[i] >= (uint64_t)pixels) return 0;
        ((real *)target)[indices[i]] += ((const real *)gradient)[i];
    }
    return 1;
}
