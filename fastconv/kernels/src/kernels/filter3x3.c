/* One channel's 3 x 3 filter at stride 1 or 2 on an image as it lies in memory: padding is the lanes and rows that are not read. A row
 * of pixels is loaded once for all outputs that it reaches, and every output takes its nine taps in their order. */
#include "shuffle.h"

/* A block of columns: where the lanes of each vector of source pixels lie inside the image. */
typedef struct {
    ptrdiff_t column, low[5], high[5];
    int whole;
} columns_of;

static ptrdiff_t clamp(ptrdiff_t x) { return x < 0 ? 0 : x > VL ? VL : x; }

static columns_of locate(const int stride, ptrdiff_t column, ptrdiff_t W) {
    static const ptrdiff_t shift[2][5] = {{0, 1, 2, 0, 0}, {0, VL, 2, VL + 2, 0}};
    columns_of where = {.column = column, .whole = 1};
    for (int j = 0; j < (stride == 1 ? 3 : 4); j++) {
        const ptrdiff_t x = column + shift[stride - 1][j];
        where.low[j] = clamp(-x);
        where.high[j] = clamp(W - x);
        if (where.high[j] < where.low[j]) where.high[j] = where.low[j];
        where.whole &= where.low[j] == 0 && where.high[j] == VL;
    }
    return where;
}

/* The pixels under the three taps of one row, for a vector of outputs. */
FC_INLINE void load_row(const int stride, const int whole, const real *row, const columns_of *where, vec *pixels) {
    const real *p = row + where->column;
#define AT(j, shift) (whole ? load(p + shift) : load_between(p + shift, where->low[j], where->high[j]))
    if (stride == 1) {
        pixels[0] = AT(0, 0);
        pixels[1] = AT(1, 1);
        pixels[2] = AT(2, 2);
    } else {
        const vec a = AT(0, 0), b = AT(1, VL), c = AT(2, 2), d = AT(3, VL + 2);
        pixels[0] = evens(a, b);
        pixels[1] = odds(a, b);
        pixels[2] = evens(c, d);
    }
#undef AT
}

FC_INLINE void put(vec sum, int relu, real *output, ptrdiff_t lanes) {
    if (relu) sum = pick((mask)(sum <= broadcast(0)), broadcast(0), sum);
    if (lanes >= VL) store(output, sum);
    else store_part(output, sum, lanes);
}

#define TAPS(sum, row, pixels) ((sum) + weight[3 * row] * pixels[0] + weight[3 * row + 1] * pixels[1] + weight[3 * row + 2] * pixels[2])

/* One vector of output columns, all rows. */
FC_INLINE void strip(const int stride, const int whole, ptrdiff_t rows, ptrdiff_t columns, const real *source, ptrdiff_t H, ptrdiff_t W,
                     ptrdiff_t top, const columns_of *where, const vec *weight, vec start, int relu, real *output, ptrdiff_t lanes) {
    vec first = start, second = start, pixels[3], middle[3];
    for (ptrdiff_t r = 0; r < rows + 2 / stride; r++, output += columns) {
        /* stride 1: r is a source row, and completes output r - 2. stride 2: two source rows complete output r - 1. */
        const ptrdiff_t y = top + r * stride;
        FC_UNROLL for (int kw = 0; kw < 3; kw++) pixels[kw] = broadcast(0);
        if (stride == 1) {
            if (y >= 0 && y < H) load_row(1, whole, source + y * W, where, pixels);
            if (r >= 2) put(TAPS(second, 2, pixels), relu, output - 2 * columns, lanes);
            second = TAPS(first, 1, pixels);
            first = TAPS(start, 0, pixels);
        } else {
            if (y >= 0 && y < H) load_row(2, whole, source + y * W, where, pixels);
            if (r >= 1) put(TAPS(second, 2, pixels), relu, output - columns, lanes);
            FC_UNROLL for (int kw = 0; kw < 3; kw++) middle[kw] = broadcast(0);
            if (r < rows && y + 1 >= 0 && y + 1 < H) load_row(2, whole, source + (y + 1) * W, where, middle);
            first = TAPS(start, 0, pixels);
            second = TAPS(first, 1, middle);
        }
    }
}

/* `rows` rows of `columns` outputs of the plane (H, W); output (0, 0) reads the source from (top, left) on. */
void FC_NAME(filter3x3)(int stride, ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t H, ptrdiff_t W, ptrdiff_t top,
                        ptrdiff_t left, const void *weights, const void *bias, int relu, void *output) {
    const vec start = broadcast(bias ? *(const real *)bias : 0);
    vec weight[9];
    for (int t = 0; t < 9; t++) weight[t] = broadcast(((const real *)weights)[t]);
    for (ptrdiff_t i = 0; i < columns; i += VL) {
        const columns_of where = locate(stride, left + i * stride, W);
        real *to = (real *)output + i;
#define STRIP(stride, whole) strip(stride, whole, rows, columns, source, H, W, top, &where, weight, start, relu, to, columns - i)
        if (stride == 1 && where.whole) STRIP(1, 1);
        else if (stride == 1) STRIP(1, 0);
        else if (where.whole) STRIP(2, 1);
        else STRIP(2, 0);
    }
}
