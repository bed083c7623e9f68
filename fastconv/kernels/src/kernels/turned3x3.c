/* The gradient of one channel by a 3 x 3 filter of stride 2, from the gradient's plane as it lies in memory. Rows and columns of the
 * result come in two kinds: at an even place (padding counted) the first and the last tap reach it, at an odd one the middle tap alone;
 * so a vector of the gradient and its neighbour give two vectors of neighbouring results, even and odd places in turn. */
#include "row_taps.h"

FC_INLINE void put(vec sum, int add, real *output, ptrdiff_t lanes) {
    if (lanes >= VL) store(output, add ? load(output) + sum : sum);
    else if (lanes > 0) store_part(output, add ? load_part(output, lanes) + sum : sum, lanes);
}

FC_INLINE void put_both(const int odd, vec even_places, vec odd_places, int add, real *output, ptrdiff_t lanes) {
    const vec first = odd ? odd_places : even_places, second = odd ? even_places : odd_places;
    put(lows(first, second), add, output, lanes);
    put(highs(first, second), add, output + VL, lanes - VL);
}

/* pixels[1] is what an even place reads with its first tap, pixels[0] what it reads with its last. */
#define EVEN(sum, row, pixels) ((sum) + weight[3 * row] * pixels[1] + weight[3 * row + 2] * pixels[0])
#define ODD(sum, row, pixels) ((sum) + weight[3 * row + 1] * pixels[!odd])

/* Two vectors of result columns, all rows; `odd`: the first column is at an odd place. */
FC_INLINE void strip(const int odd, const int whole, ptrdiff_t rows, ptrdiff_t columns, const real *source, ptrdiff_t H, ptrdiff_t W,
                     ptrdiff_t top, const row_span *span, const vec *weight, int add, real *output, ptrdiff_t lanes) {
    const vec zero = broadcast(0);
    vec above[2], pixels[2];
    /* The row that lies wholly above or, at an odd place, the one that reaches row 0 alone. */
    ptrdiff_t r = -(top & 1), y = (top + r) / 2 - 1;
    FC_UNROLL for (int j = 0; j < 2; j++) pixels[j] = zero;
    if (y >= 0 && y < H) load_row(1, 2, whole, source + y * W, span, 0, pixels);
    for (; r < rows; r += 2) {
        FC_UNROLL for (int j = 0; j < 2; j++) above[j] = pixels[j], pixels[j] = zero;
        y++;
        if (y >= 0 && y < H) load_row(1, 2, whole, source + y * W, span, 0, pixels);
        if (r >= 0)
            put_both(odd, EVEN(EVEN(zero, 0, pixels), 2, above), ODD(ODD(zero, 0, pixels), 2, above), add, output + r * columns, lanes);
        if (r + 1 < rows)
            put_both(odd, EVEN(zero, 1, pixels), ODD(zero, 1, pixels), add, output + (r + 1) * columns, lanes);
    }
}

/* `rows` rows of `columns` results, the first at the place (top, left) >= 0, from the gradient's plane (H, W); `add`: to what is there. */
void FC_NAME(turned3x3)(ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t H, ptrdiff_t W, ptrdiff_t top, ptrdiff_t left,
                        const void *weights, int add, void *output) {
    vec weight[9];
    for (int t = 0; t < 9; t++) weight[t] = broadcast(((const real *)weights)[t]);
    for (ptrdiff_t i = 0; i < columns; i += 2 * VL) {
        const row_span span = span_of(1, 2, (i + left + 1) / 2 - 1, W);
        real *to = (real *)output + i;
#define STRIP(odd, whole) strip(odd, whole, rows, columns, source, H, W, top, &span, weight, add, to, columns - i)
        if (left & 1) {
            if (span.whole) STRIP(1, 1);
            else STRIP(1, 0);
        } else if (span.whole) STRIP(0, 1);
        else STRIP(0, 0);
    }
}
