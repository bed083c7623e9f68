/* Pooling with the images in the lanes: one row of windows. A window's taps outside of the image are left out: `first` to `last` are its
 * rows inside, columns are cut here. Sizes are in vectors. */
#include <math.h>

#include "vector.h"

typedef struct {
    ptrdiff_t first, stop; /* of the window's columns, those inside the image */
} columns_of;

FC_INLINE columns_of inside(const fc_lane_windows *w, ptrdiff_t x0) {
    if (x0 >= 0 && x0 + (w->columns - 1) * w->dilation < w->width) return (columns_of){0, w->columns}; /* divisions take long */
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

/* Windows of 2 x 2, side by side and whole: the loops over their taps unroll. */
FC_INLINE int are_pairs(const fc_lane_windows *w) {
    return w->rows == 2 && w->columns == 2 && w->stride == 2 && w->dilation == 1 && w->left == 0 && 2 * w->count <= w->width;
}
static const columns_of PAIR = {0, 2};

FC_INLINE vec maximum(const fc_lane_windows *w, const real *source, ptrdiff_t x0, ptrdiff_t rows, columns_of c) {
    vec best = broadcast(-INFINITY);
    for (ptrdiff_t kh = 0; kh < rows; kh++)
        for (ptrdiff_t kw = c.first; kw < c.stop; kw++) {
            const vec value = tap(w, source, x0, kh, kw);
            best = pick(wins(value, best), value, best);
        }
    return best;
}

void FC_NAME(lane_maximum)(const fc_lane_windows *w, const void *source, void *output) {
    if (are_pairs(w)) {
        for (ptrdiff_t i = 0; i < w->count; i++) store((real *)output + i * VL, maximum(w, source, 2 * i, 2, PAIR));
        return;
    }
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        store((real *)output + i * VL, maximum(w, source, x0, w->rows, inside(w, x0)));
    }
}

/* Each row of the window, then the rows, as a plane is pooled. */
FC_INLINE vec sum_of(const fc_lane_windows *w, const real *source, ptrdiff_t x0, ptrdiff_t rows, columns_of c) {
    vec total = broadcast(0);
    for (ptrdiff_t kh = 0; kh < rows; kh++) {
        vec row = broadcast(0);
        for (ptrdiff_t kw = c.first; kw < c.stop; kw++) row += tap(w, source, x0, kh, kw);
        total += row;
    }
    return total;
}

/* The sum over divisors[i] * factor. */
void FC_NAME(lane_mean)(const fc_lane_windows *w, const void *source, const void *divisors, double factor, void *output) {
    const int pairs = are_pairs(w);
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const vec total = pairs ? sum_of(w, source, x0, 2, PAIR) : sum_of(w, source, x0, w->rows, inside(w, x0));
        store((real *)output + i * VL, total / broadcast(((const real *)divisors)[i] * (real)factor));
    }
}

FC_INLINE void give(const fc_lane_windows *w, real *image, ptrdiff_t x, ptrdiff_t kh, vec value) {
    real *to = image + (kh * w->image_row + x * w->image_step) * VL;
    store(to, w->add ? load(to) + value : value);
}

/* The gradient of the maximum goes to where the maximum stood: the places are found again, not kept. */
FC_INLINE void maximum_gradient(const fc_lane_windows *w, const real *source, vec given, real *image, ptrdiff_t x0, ptrdiff_t rows,
                                columns_of c) {
    vec best = broadcast(-INFINITY);
    mask winner = mask_of(0); /* a window that holds nothing above minus infinity: its first tap */
    integer number = 0;
    for (ptrdiff_t kh = 0; kh < rows; kh++)
        for (ptrdiff_t kw = c.first; kw < c.stop; kw++, number++) {
            const vec value = tap(w, source, x0, kh, kw);
            const mask better = wins(value, best);
            best = pick(better, value, best);
            winner = (better & mask_of(number)) | (~better & winner);
        }
    number = 0;
    for (ptrdiff_t kh = 0; kh < rows; kh++)
        for (ptrdiff_t kw = c.first; kw < c.stop; kw++, number++)
            give(w, image, x0 + kw * w->dilation, kh, only_where(equals(winner, mask_of(number)), given));
}

void FC_NAME(lane_maximum_gradient)(const fc_lane_windows *w, const void *source, const void *gradient, void *image) {
    const int pairs = are_pairs(w);
    for (ptrdiff_t i = 0; i < w->count; i++) {
        const ptrdiff_t x0 = w->left + i * w->stride;
        const vec given = load((const real *)gradient + i * VL);
        if (pairs) maximum_gradient(w, source, given, image, x0, 2, PAIR);
        else maximum_gradient(w, source, given, image, x0, w->rows, inside(w, x0));
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
