/* Rows that are each normalised by themselves, with a weight and a bias for each element of a row. */
#include "wide.h"

FC_INLINE void normalize(ptrdiff_t count, const real *from, double mean, double inverse, const real *weight, const real *bias, real *to) {
    const real center = (real)mean;
    const vec middle = broadcast(center), scale = broadcast((real)inverse);
    const vec rest = broadcast(isfinite(center) ? (real)((center - mean) * inverse) : 0); /* what rounding took from the mean */
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t left = count - i;
        vec y = (load_up_to(from + i, left) - middle) * scale + rest;
        if (weight && bias) y = y * load_up_to(weight + i, left) + load_up_to(bias + i, left);
        else if (weight) y *= load_up_to(weight + i, left);
        else if (bias) y += load_up_to(bias + i, left);
        store_up_to(to + i, y, left);
    }
}

/* `rows` rows of `count`, one after the other. Row r takes the weight and bias from (first + r) % groups * count on; either may be NULL.
 * mean, inverse: receive the mean of each row and 1 / its standard deviation. target NULL: these alone. */
void FC_NAME(normalize_rows)(ptrdiff_t rows, ptrdiff_t count, const void *source, const void *weight, const void *bias, ptrdiff_t first,
                             ptrdiff_t groups, double epsilon, void *target, double *mean, double *inverse) {
    const real *from = source, *w = weight, *b = bias;
    real *to = target;
    ptrdiff_t group = first % groups;
    for (ptrdiff_t r = 0; r < rows; r++, from += count) {
        fc_moments moments;
        all_moments(1, count, from, count, &moments);
        const double scale = fc_inverse(moments.squares / moments.count, epsilon);
        mean[r] = moments.mean;
        inverse[r] = scale;
        const ptrdiff_t at = group * count;
        if (to) {
            if (w && b) normalize(count, from, moments.mean, scale, w + at, b + at, to);
            else if (w) normalize(count, from, moments.mean, scale, w + at, NULL, to);
            else if (b) normalize(count, from, moments.mean, scale, NULL, b + at, to);
            else normalize(count, from, moments.mean, scale, NULL, NULL, to);
            to += count;
        }
        if (++group == groups) group = 0;
    }
}

/* The sums of one row: of gradient * weight, and of gradient * weight * (source - mean). */
FC_INLINE void row_sums(ptrdiff_t count, const real *g, const real *x, const real *w, real mean, double *plain, double *moved) {
    const vec middle = broadcast(mean);
    *plain = *moved = 0;
    for (ptrdiff_t i0 = 0; i0 < count; i0 += PIECE) {
        const ptrdiff_t end = count - i0 < PIECE ? count : i0 + PIECE;
        vec first[2], second[2];
        FC_UNROLL for (int j = 0; j < 2; j++) first[j] = second[j] = broadcast(0);
        ptrdiff_t i = i0;
        for (; i + 2 * VL <= end; i += 2 * VL)
            FC_UNROLL for (int j = 0; j < 2; j++) {
                const vec here = w ? load(g + i + j * VL) * load(w + i + j * VL) : load_once(g + i + j * VL);
                first[j] += here;
                second[j] += here * (load(x + i + j * VL) - middle);
            }
        for (; i < end; i += VL) {
            const ptrdiff_t left = end - i;
            const vec here = w ? load_up_to(g + i, left) * load_up_to(w + i, left) : load_up_to(g + i, left);
            first[0] += here;
            second[0] += here * (left >= VL ? load(x + i) - middle : load_between(x + i, 0, left, mean) - middle);
        }
        *plain += total(first[0] + first[1]);
        *moved += total(second[0] + second[1]);
    }
}

/* The gradient of one row; weight_sums (or NULL) += gradient * (x - mean) / deviation, bias_sums (or NULL) += gradient. */
FC_INLINE void row_gradient(ptrdiff_t count, const real *g, const real *x, const real *w, double mean, double inverse, double plain,
                            double moved, real *to, real *weight_sums, real *bias_sums) {
    const real center = (real)mean;
    const double rest = isfinite(center) ? center - mean : 0; /* x - mean is (x - center) + rest */
    const double slope = -inverse * inverse * inverse * (moved + rest * plain) / (double)count;
    const vec middle = broadcast(center), own = broadcast((real)inverse), factor = broadcast((real)slope);
    const vec shift = broadcast((real)(rest * slope - inverse * plain / (double)count)), lost = broadcast((real)(rest * inverse));
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t left = count - i;
        const vec given = load_up_to(g + i, left), distance = load_up_to(x + i, left) - middle;
        if (to) store_up_to(to + i, (w ? given * load_up_to(w + i, left) : given) * own + (distance * factor + shift), left);
        if (weight_sums) store_up_to(weight_sums + i, load_up_to(weight_sums + i, left) + given * (distance * own + lost), left);
        if (bias_sums) store_up_to(bias_sums + i, load_up_to(bias_sums + i, left) + given, left);
    }
}

/* The gradient of normalize_rows. `count` elements of rows that are `row` long (a part of each where it is less, and then target is NULL).
 * weight, target, weight_sums, bias_sums: each may be NULL. */
void FC_NAME(normalize_rows_gradient)(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t row, const void *gradient, const void *source,
                                      const void *weight, ptrdiff_t first, ptrdiff_t groups, const double *mean, const double *inverse,
                                      void *target, void *weight_sums, void *bias_sums) {
    ptrdiff_t group = first % groups;
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *g = (const real *)gradient + r * row, *x = (const real *)source + r * row;
        const ptrdiff_t at = group * row;
        const real *w = weight ? (const real *)weight + at : NULL;
        real *to = target ? (real *)target + r * row : NULL;
        real *a = weight_sums ? (real *)weight_sums + at : NULL, *b = bias_sums ? (real *)bias_sums + at : NULL;
        double plain = 0, moved = 0;
        if (to && w) row_sums(count, g, x, w, (real)mean[r], &plain, &moved);
        else if (to) row_sums(count, g, x, NULL, (real)mean[r], &plain, &moved);
        if (to && w && a && b) row_gradient(count, g, x, w, mean[r], inverse[r], plain, moved, to, a, b);
        else row_gradient(count, g, x, w, mean[r], inverse[r], plain, moved, to, a, b);
        if (++group == groups) group = 0;
    }
}
