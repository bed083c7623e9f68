/* Winograd's minimal filtering along rows alone, F(m, r) with 6 points, with the output channels in the lanes: for filters that are
 * wide and layers that have too few channels to pay for the transforms of both axes. Sums of all points stay in registers, and become
 * pixels there. */
#include "filters.h"
#include "shuffle.h"
#include "tiles.h"

#if !FC_DOUBLE

#if FC_VECTORS
/* The m columns of a vector of neighbouring tiles: column[j] lane t = row[m * t + j]. */
FC_INLINE void load_columns(const int m, const real *row, vec *column) {
    const vec a = load(row), b = load(row + VL);
    if (m == 2) {
        column[0] = evens(a, b);
        column[1] = odds(a, b);
        return;
    }
    const vec c = load(row + 2 * VL), d = load(row + 3 * VL);
    const vec e0 = evens(a, b), e1 = evens(c, d), o0 = odds(a, b), o1 = odds(c, d);
    column[0] = evens(e0, e1);
    column[2] = odds(e0, e1);
    column[1] = evens(o0, o1);
    column[3] = odds(o0, o1);
}

FC_INLINE void points_body(const int m, ptrdiff_t tiles, const real *row, real *points, ptrdiff_t point_stride) {
    vec column[8]; /* of these tiles, then of the next ones */
    load_columns(m, row, column);
    for (ptrdiff_t t = 0; t < tiles; t += VL) {
        vec pixels[MOST_POINTS], result[MOST_POINTS];
        load_columns(m, row + (t + VL) * m, column + m);
        FC_UNROLL for (int j = 0; j < MOST_POINTS; j++) {
            vec shifted = column[j % m], next = column[m + j % m];
            FC_UNROLL for (int s = 0; s < j / m; s++) {
                shifted = nexts(shifted, next);
                next = nexts(next, next);
            }
            pixels[j] = shifted;
        }
        transform_pixels(MOST_POINTS, pixels, result);
        FC_UNROLL for (int j = 0; j < MOST_POINTS; j++) store(points + j * point_stride + t, result[j]);
        FC_UNROLL for (int j = 0; j < m; j++) column[j] = column[m + j];
    }
}
#else
FC_INLINE void points_body(const int m, ptrdiff_t tiles, const real *row, real *points, ptrdiff_t point_stride) {
    for (ptrdiff_t t = 0; t < tiles; t++) {
        vec result[MOST_POINTS];
        transform_pixels(MOST_POINTS, row + t * m, result);
        for (int j = 0; j < MOST_POINTS; j++) points[j * point_stride + t] = result[j];
    }
}
#endif

/* points[p * point_stride + t] = point p of the pixels row[m * t], ..., row[m * t + 5]. Whole vectors are read and written: 2 m vectors
 * behind the last whole one of the row have to be there. */
void FC_NAME(line_points)(int m, ptrdiff_t tiles, const void *row, void *points, ptrdiff_t point_stride) {
    if (m == 4) points_body(4, tiles, row, points, point_stride);
    else points_body(2, tiles, row, points, point_stride);
}

FC_INLINE void weights_body(const int r, ptrdiff_t depth, ptrdiff_t outputs, const real *source, ptrdiff_t output_stride, real *packed) {
    for (ptrdiff_t k = 0; k < depth; k++, source += r, packed += MOST_POINTS * VL)
        for (ptrdiff_t i = 0; i < VL; i += FILTERS) {
            real taps[MOST_TAPS][FILTERS], points[MOST_POINTS][FILTERS];
            wide filter[MOST_OUTPUTS], result[MOST_POINTS];
            load_filters(r, outputs - i, source + i * output_stride, output_stride, taps);
            FC_UNROLL for (int t = 0; t < r; t++) filter[t] = widen(taps[t]);
            transform_filter(MOST_POINTS, r, filter, 1, result);
            FC_UNROLL for (int p = 0; p < MOST_POINTS; p++) narrow_to(points[p], result[p]);
            const ptrdiff_t here = VL - i < FILTERS ? VL - i : FILTERS;
            FC_UNROLL for (int p = 0; p < MOST_POINTS; p++) memcpy(packed + p * VL + i, points[p], (size_t)here * sizeof(real));
        }
}

/* packed[(k * 6 + p) * lanes + i] = point p of row k of filter i, in double precision and rounded once; zero for outputs <= i < lanes. */
void FC_NAME(line_weights)(int m, ptrdiff_t depth, ptrdiff_t outputs, const void *source, ptrdiff_t output_stride, void *packed) {
    if (m == 4) weights_body(3, depth, outputs, source, output_stride, packed);
    else weights_body(5, depth, outputs, source, output_stride, packed);
}

FC_INLINE int line_body(const int m, const int tiles, ptrdiff_t depth, const real *points, ptrdiff_t point_stride, const ptrdiff_t *offsets,
                        const real *weights, const real *bias, int relu, real *stage) {
    vec sums[MOST_POINTS][LINE_TILES], doubt = broadcast(0);
    FC_UNROLL for (int p = 0; p < MOST_POINTS; p++)
        FC_UNROLL for (int t = 0; t < tiles; t++) sums[p][t] = broadcast(0);
    for (; depth > 0; depth--, weights += MOST_POINTS * VL) {
        const real *from = points + *offsets++;
        FC_UNROLL for (int p = 0; p < MOST_POINTS; p++, from += point_stride) {
            const vec weight = load(weights + p * VL);
            FC_UNROLL for (int t = 0; t < tiles; t++) sums[p][t] += broadcast(from[t]) * weight;
        }
    }
    const vec start = load(bias);
    FC_UNROLL for (int t = 0; t < tiles; t++) {
        vec column[MOST_POINTS], result[4];
        FC_UNROLL for (int p = 0; p < MOST_POINTS; p++) column[p] = sums[p][t];
        transform_points(MOST_POINTS, m, column, result);
        FC_UNROLL for (int j = 0; j < m; j++) {
            const vec y = result[j] + start;
            doubt += y * 0; /* stays zero; infinity and NaN make it NaN */
            store(stage + (t * m + j) * VL, relu ? rectify(y) : y);
        }
    }
    real lanes[VL_ELEMENTS], total = 0;
    store(lanes, doubt);
    for (ptrdiff_t c = 0; c < VL; c++) total += lanes[c];
    return total == 0;
}

typedef int sized(ptrdiff_t, const real *, ptrdiff_t, const ptrdiff_t *, const real *, const real *, int, real *);
#define SIZE(m, tiles)                                                                                                       \
    static int line_##m##x##tiles(ptrdiff_t depth, const real *points, ptrdiff_t point_stride, const ptrdiff_t *offsets,      \
                                  const real *weights, const real *bias, int relu, real *stage) {                            \
        return line_body(m, tiles, depth, points, point_stride, offsets, weights, bias, relu, stage);                        \
    }
#define ENTRY(m, tiles) line_##m##x##tiles,
LINE_SIZES(SIZE, 2)
LINE_SIZES(SIZE, 4)
static sized *const SIZED[2][LINE_TILES] = {{LINE_SIZES(ENTRY, 2)}, {LINE_SIZES(ENTRY, 4)}};

/* stage[(t * m + j) * lanes + c] = output j of each of `tiles` neighbouring tiles (at most line_tiles), for one vector of output channels:
 * bias[c] + A^T of the sums over k, in order, of weights[k][p][c] * points[p * point_stride + offsets[k] + t]. False where a result is
 * not finite. */
int FC_NAME(line_tile)(int m, ptrdiff_t tiles, ptrdiff_t depth, const void *points, ptrdiff_t point_stride, const ptrdiff_t *offsets,
                       const void *weights, const void *bias, int relu, void *stage) {
    return SIZED[m == 4][tiles - 1](depth, points, point_stride, offsets, weights, bias, relu, stage);
}
#endif
