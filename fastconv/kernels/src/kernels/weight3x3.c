/* The gradient of one channel's 3 x 3 filter at stride 1 or 2: nine vectors of sums, over a gradient's plane and the image's as they lie
 * in memory. A row of the image is loaded once for the three rows of the gradient that it meets. */
#include "row_taps.h"

#define TAPS(row, gradient, pixels) \
    FC_UNROLL for (int kw = 0; kw < 3; kw++) total[3 * row + kw] += (gradient) * pixels[kw]

/* One vector of gradient columns, all rows. */
FC_INLINE void strip(const int stride, const int whole, const int full, ptrdiff_t rows, ptrdiff_t columns, const real *gradient,
                     const real *source, ptrdiff_t H, ptrdiff_t W, ptrdiff_t top, const row_span *span, vec *sums, ptrdiff_t lanes) {
    const vec zero = broadcast(0);
    vec total[9], now = zero, last = zero, before = zero, pixels[3];
    FC_UNROLL for (int t = 0; t < 9; t++) total[t] = sums[t];
    for (ptrdiff_t r = 0; r < rows + 2 / stride; r++, gradient += columns) {
        /* stride 1: the image's row r meets the gradient's rows r, r - 1, r - 2. stride 2: row 2 r meets r and r - 1, the next one r. */
        const ptrdiff_t y = top + r * stride;
        before = last, last = now, now = zero;
        if (r < rows) now = full ? load(gradient) : load_part(gradient, lanes);
        /* Zeros outside are multiplied too: without them the compiler loads the pixels anew for each product. */
        FC_UNROLL for (int kw = 0; kw < 3; kw++) pixels[kw] = zero;
        if (y >= 0 && y < H) load_row(stride, 3, whole, source + y * W, span, 0, pixels);
        TAPS(0, now, pixels);
        if (stride == 1) {
            TAPS(1, last, pixels);
            TAPS(2, before, pixels);
        } else {
            TAPS(2, last, pixels);
            FC_UNROLL for (int kw = 0; kw < 3; kw++) pixels[kw] = zero;
            if (r < rows && y + 1 >= 0 && y + 1 < H) load_row(stride, 3, whole, source + (y + 1) * W, span, 0, pixels);
            TAPS(1, now, pixels);
        }
    }
    FC_UNROLL for (int t = 0; t < 9; t++) sums[t] = total[t];
}

/* Adds to sums[9], vectors, over `rows` rows of `columns` of the gradient, the first of which reads the plane (H, W) from (top, left)
 * on. What lies outside the plane counts as zero, and is multiplied: gradients that are not finite spoil the sums there. */
void FC_NAME(weight3x3)(int stride, ptrdiff_t rows, ptrdiff_t columns, const void *gradient, const void *source, ptrdiff_t H, ptrdiff_t W,
                        ptrdiff_t top, ptrdiff_t left, void *sums) {
    vec total[9];
    for (int t = 0; t < 9; t++) total[t] = load((const real *)sums + t * VL);
    for (ptrdiff_t i = 0; i < columns; i += VL) {
        const row_span span = span_of(stride, 3, left + i * stride, W);
#define STRIP(stride, whole) \
    strip(stride, whole, whole, rows, columns, (const real *)gradient + i, source, H, W, top, &span, total, clamp_lane(columns - i))
        const int whole = span.whole && columns - i >= VL;
        if (stride == 1 && whole) STRIP(1, 1);
        else if (stride == 1) STRIP(1, 0);
        else if (whole) STRIP(2, 1);
        else STRIP(2, 0);
    }
    for (int t = 0; t < 9; t++) store((real *)sums + t * VL, total[t]);
}
