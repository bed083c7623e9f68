/* What normalisation does to each element once its statistics are known, and the same of its gradient. */
#include "wide.h"

/* target = (source - mean) * scale + shift, over `rows` rows of `count`. terms: (mean, scale, shift) of row r at terms[r * step]. */
void FC_NAME(affine_rows)(ptrdiff_t rows, ptrdiff_t count, const void *source, ptrdiff_t row_stride, const double *terms, ptrdiff_t step,
                          void *target) {
    for (ptrdiff_t r = 0; r < rows; r++, terms += step) {
        const vec mean = broadcast((real)terms[0]), scale = broadcast((real)terms[1]), shift = broadcast((real)terms[2]);
        const real *from = (const real *)source + r * row_stride;
        real *to = (real *)target + r * row_stride;
        for (ptrdiff_t i = 0, next = first_step(to, count); i < count; i += next, next = VL) {
            const ptrdiff_t here = fewer(next, count - i);
            store_up_to(to + i, (load_up_to(from + i, here) - mean) * scale + shift, here);
        }
    }
}

/* The same with a mean, a scale and a shift for each column. */
void FC_NAME(affine_columns)(ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t row_stride, const void *mean,
                             const void *scale, const void *shift, void *target) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *from = (const real *)source + r * row_stride;
        real *to = (real *)target + r * row_stride;
        for (ptrdiff_t c = 0; c < columns; c += VL) {
            const ptrdiff_t left = columns - c;
            const vec x = load_up_to(from + c, left) - load_up_to((const real *)mean + c, left);
            store_up_to(to + c, x * load_up_to((const real *)scale + c, left) + load_up_to((const real *)shift + c, left), left);
        }
    }
}

/* target = gradient * own + (source - mean) * slope + shift. terms: (mean, own, slope, shift) of row r at terms[r * step].
 * source NULL: gradient * own alone. */
void FC_NAME(affine_gradient_rows)(ptrdiff_t rows, ptrdiff_t count, const void *gradient, const void *source, ptrdiff_t row_stride,
                                   const double *terms, ptrdiff_t step, void *target) {
    for (ptrdiff_t r = 0; r < rows; r++, terms += step) {
        const vec mean = broadcast((real)terms[0]), own = broadcast((real)terms[1]), slope = broadcast((real)terms[2]);
        const vec shift = broadcast((real)terms[3]);
        const real *g = (const real *)gradient + r * row_stride, *x = source ? (const real *)source + r * row_stride : NULL;
        real *to = (real *)target + r * row_stride;
        for (ptrdiff_t i = 0, next = first_step(to, count); i < count; i += next, next = VL) {
            const ptrdiff_t here = fewer(next, count - i);
            const vec direct = load_up_to(g + i, here) * own;
            store_up_to(to + i, x ? direct + ((load_up_to(x + i, here) - mean) * slope + shift) : direct, here);
        }
    }
}

/* The same with four terms for each column: terms[0..3] are arrays of `columns`. */
void FC_NAME(affine_gradient_columns)(ptrdiff_t rows, ptrdiff_t columns, const void *gradient, const void *source, ptrdiff_t row_stride,
                                      const void *const *terms, void *target) {
    const real *mean = terms[0], *own = terms[1], *slope = terms[2], *shift = terms[3];
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *g = (const real *)gradient + r * row_stride, *x = source ? (const real *)source + r * row_stride : NULL;
        real *to = (real *)target + r * row_stride;
        for (ptrdiff_t c = 0; c < columns; c += VL) {
            const ptrdiff_t left = columns - c;
            vec result = load_up_to(g + c, left) * load_up_to(own + c, left);
            if (x) result += (load_up_to(x + c, left) - load_up_to(mean + c, left)) * load_up_to(slope + c, left) + load_up_to(shift + c, left);
            store_up_to(to + c, result, left);
        }
    }
}
