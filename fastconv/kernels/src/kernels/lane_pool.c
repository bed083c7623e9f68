/* Pooling with the images in the lanes: one row of windows. A window's taps outside of the image are left out: `first` to `last` are its
 * rows inside, columns are cut here. Sizes are in vectors. */
#include <math.h>

#include "vector.h"

typedef struct {
    ptrdiff_t first, stop; /* of the window's columns, those inside the image */
} columns_of;

FC_INLINE columns_of inside(const fc_lane_windows *w, ptrdiff_t x0) {
    columns_of c = {x0 < 0 ? (-x0 + w->dilation - 1) / w->dilation : 0, w->columns};
    const ptrdiff_t fit = x0 < w->width ? (w->width - x0 + w->dilation - 1) / w->dilation : 0;
    if (fit < c.stop) c.stop = fit;
    return c;
}

FC_INLINE vec tap(const fc_lane_windows *w, const real *source, ptrdiff_t x0, ptrdiff_t kh, ptrdiff_t kw) {
    return load(source + (kh * w->source_row + x0 + kw * w->dilation) * VL);
}

/* Larger, or a NaN: a NaN stays, and the first of equal values is kept. */
FC_INLINE mask wins(vec value, vec best) { return FC_MASK(value > best) | FC_MASK(value != value); }

void FC_NAME(lane_maximum)(const fc_lane_windows *w, const void *source, void *output) {
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const columns_of c = inside(w, x0);
        vec best = broadcast(-INFINITY);
        for (ptrdiff_t kh = 0; kh < w->rows; kh++)
            for (ptrdiff_t kw = c.first; kw < c.stop; kw++) {
                const vec value = tap(w, source, x0, kh, kw);
                best = pick(wins(value, best), value, best);
            }
        store((real *)output + i * VL, best);
    }
}

/* The sum over divisors[i] * factor. */
void FC_NAME(lane_mean)(const fc_lane_windows *w, const void *source, const void *divisors, double factor, void *output) {
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const columns_of c = inside(w, x0);
        vec total = broadcast(0);
        for (ptrdiff_t kh = 0; kh < w->rows; kh++)
            for (ptrdiff_t kw = c.first; kw < c.stop; kw++) total += tap(w, source, x0, kh, kw);
        store((real *)output + i * VL, total / broadcast(((const real *)divisors)[i] * (real)factor));
    }
}

FC_INLINE void give(const fc_lane_windows *w, real *image, ptrdiff_t x, ptrdiff_t kh, vec value) {
    real *to = image + (kh * w->image_row + x * w->image_step) * VL;
    store(to, w->add ? load(to) + value : value);
}

/* The gradient of the maximum goes to where the maximum stood: the places are found again, not kept. */
void FC_NAME(lane_maximum_gradient)(const fc_lane_windows *w, const void *source, const void *gradient, void *image) {
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const columns_of c = inside(w, x0);
        const vec given = load((const real *)gradient + i * VL);
        vec best = broadcast(-INFINITY);
        mask winner = mask_of(0); /* a window that holds nothing above minus infinity: its first tap */
        integer number = 0;
        for (ptrdiff_t kh = 0; kh < w->rows; kh++)
            for (ptrdiff_t kw = c.first; kw < c.stop; kw++, number++) {
                const vec value = tap(w, source, x0, kh, kw);
                const mask better = wins(value, best);
                best = pick(better, value, best);
                winner = (better & mask_of(number)) | (~better & winner);
            }
        number = 0;
        for (ptrdiff_t kh = 0; kh < w->rows; kh++)
            for (ptrdiff_t kw = c.first; kw < c.stop; kw++, number++)
                give(w, image, x0 + kw * w->dilation, kh, only_where(equals(winner, mask_of(number)), given));
    }
}

void FC_NAME(lane_mean_gradient)(const fc_lane_windows *w, const void *gradient, const void *divisors, double factor, void *image) {
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const columns_of c = inside(w, x0);
        const real share = 1 / (((const real *)divisors)[i] * (real)factor);
        const vec given = load((const real *)gradient + i * VL) * broadcast(share);
        for (ptrdiff_t kh = 0; kh < w->rows; kh++)
            for (ptrdiff_t kw = c.first; kw < c.stop; kw++) give(w, image, x0 + kw * w->dilation, kh, given);
    }
}
