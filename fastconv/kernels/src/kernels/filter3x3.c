/* One channel's 3 x 3 filter at stride 1 or 2 on an image as it lies in memory: padding is the lanes and rows that are not read. A row
 * of pixels is loaded once for all outputs that it reaches, and every output takes its nine taps in their order. */
#include "row_taps.h"

FC_INLINE void put(vec sum, int relu, int add, real *output, ptrdiff_t lanes) {
    if (add) sum += lanes >= VL ? load(output) : load_part(output, lanes);
    if (relu) sum = rectify(sum);
    if (lanes >= VL) store(output, sum);
    else store_part(output, sum, lanes);
}

#define TAPS(sum, row, pixels) ((sum) + weight[3 * row] * pixels[0] + weight[3 * row + 1] * pixels[1] + weight[3 * row + 2] * pixels[2])

/* One vector of output columns, all rows. */
FC_INLINE void strip(const int stride, const int whole, ptrdiff_t rows, ptrdiff_t columns, const real *source, ptrdiff_t H, ptrdiff_t W,
                     ptrdiff_t top, const row_span *span, const vec *weight, vec start, int relu, int add, real *output, ptrdiff_t lanes) {
    vec first = start, second = start, pixels[3], middle[3];
    for (ptrdiff_t r = 0; r < rows + 2 / stride; r++, output += columns) {
        /* stride 1: r is a source row, and completes output r - 2. stride 2: two source rows complete output r - 1. */
        const ptrdiff_t y = top + r * stride;
        FC_UNROLL for (int kw = 0; kw < 3; kw++) pixels[kw] = broadcast(0);
        if (stride == 1) {
            if (y >= 0 && y < H) load_row(1, 3, whole, source + y * W, span, 0, pixels);
            if (r >= 2) put(TAPS(second, 2, pixels), relu, add, output - 2 * columns, lanes);
            second = TAPS(first, 1, pixels);
            first = TAPS(start, 0, pixels);
        } else {
            if (y >= 0 && y < H) load_row(2, 3, whole, source + y * W, span, 0, pixels);
            if (r >= 1) put(TAPS(second, 2, pixels), relu, add, output - columns, lanes);
            FC_UNROLL for (int kw = 0; kw < 3; kw++) middle[kw] = broadcast(0);
            if (r < rows && y + 1 >= 0 && y + 1 < H) load_row(2, 3, whole, source + (y + 1) * W, span, 0, middle);
            first = TAPS(start, 0, pixels);
            second = TAPS(first, 1, middle);
        }
    }
}

/* `rows` rows of `columns` outputs of the plane (H, W); output (0, 0) reads the source from (top, left) on; `add`: to what is there. */
void FC_NAME(filter3x3)(int stride, ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t H, ptrdiff_t W, ptrdiff_t top,
                        ptrdiff_t left, const void *weights, const void *bias, int relu, int add, void *output) {
    const vec start = broadcast(bias ? *(const real *)bias : 0);
    vec weight[9];
    for (int t = 0; t < 9; t++) weight[t] = broadcast(((const real *)weights)[t]);
    for (ptrdiff_t i = 0; i < columns; i += VL) {
        const row_span span = span_of(stride, 3, left + i * stride, W);
        real *to = (real *)output + i;
#define STRIP(stride, whole) strip(stride, whole, rows, columns, source, H, W, top, &span, weight, start, relu, add, to, columns - i)
        if (stride == 1 && span.whole) STRIP(1, 1);
        else if (stride == 1) STRIP(1, 0);
        else if (span.whole) STRIP(2, 1);
        else STRIP(2, 0);
    }
}
