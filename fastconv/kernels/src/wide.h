/* Sums over a block of rows that a core's nearest cache holds: means and squared distances, in doubles where it matters. */
#ifndef FC_WIDE_H
#define FC_WIDE_H

#include <float.h>

#include "moments.h"
#include "vector.h"

#define PIECE ((ptrdiff_t)(16384 / sizeof(real))) /* elements that are read twice, the second time from the nearest cache */

/* A vector of reals as HALVES vectors of doubles. */
#if !FC_VECTORS || FC_DOUBLE
#define HALVES 1
#define WIDE_LANES VL_ELEMENTS
#if FC_VECTORS
typedef vec wide;
#else
typedef double wide;
#endif
FC_INLINE void widen(vec x, wide *to) { to[0] = x; }
#else
#define HALVES 2
#define WIDE_LANES (VL_ELEMENTS / 2)
typedef double wide __attribute__((vector_size(FC_BYTES)));
typedef float half_vec __attribute__((vector_size(FC_BYTES / 2)));
FC_INLINE void widen(vec x, wide *to) {
    half_vec half[2];
    memcpy(half, &x, sizeof x);
    to[0] = __builtin_convertvector(half[0], wide);
    to[1] = __builtin_convertvector(half[1], wide);
}
#endif

FC_INLINE double wide_total(wide x) {
    double lanes[WIDE_LANES];
    memcpy(lanes, &x, sizeof x);
    FC_UNROLL for (int half = WIDE_LANES / 2; half > 0; half /= 2)
        FC_UNROLL for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

FC_INLINE real total(vec x) {
    real lanes[VL_ELEMENTS];
    memcpy(lanes, &x, sizeof x);
    FC_UNROLL for (int half = VL_ELEMENTS / 2; half > 0; half /= 2)
        FC_UNROLL for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

/* The sums of the distances from `center` and of their squares. */
FC_INLINE void wide_distances(ptrdiff_t rows, ptrdiff_t count, const real *source, ptrdiff_t row_stride, real center, double *sums) {
    const vec middle = broadcast(center);
    wide sum[2][HALVES], squares[2][HALVES], here[HALVES];
    memset(sum, 0, sizeof sum);
    memset(squares, 0, sizeof squares);
#define ADD(j, x)                                    \
    widen((x) - middle, here);                       \
    FC_UNROLL for (int h = 0; h < HALVES; h++) {     \
        sum[j][h] += here[h];                        \
        squares[j][h] += here[h] * here[h];          \
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *from = source + r * row_stride;
        ptrdiff_t i = 0;
        for (; i + 2 * VL <= count; i += 2 * VL) {
            FC_PREFETCH(from + i + PIECE); /* memory works while this pass computes: the next one finds its block at hand */
            ADD(0, load(from + i))
            ADD(1, load(from + i + VL))
        }
        if (i + VL <= count) {
            ADD(0, load(from + i))
            i += VL;
        }
        if (i < count) { ADD(1, load_between(from + i, 0, count - i, center)) } /* beyond the end: no distance */
    }
#undef ADD
    wide distance = sum[0][0] + sum[1][0], square = squares[0][0] + squares[1][0];
    for (int h = 1; h < HALVES; h++) {
        distance += sum[0][h] + sum[1][h];
        square += squares[0][h] + squares[1][h];
    }
    sums[0] = wide_total(distance);
    sums[1] = wide_total(square);
}

#define LEAST_SQUARE ((real)0x1p-100) /* an element: sums of smaller ones lose digits to what is no float any more */

FC_INLINE int any_bit(mask m) {
    integer lanes[VL_ELEMENTS], met = 0;
    memcpy(lanes, &m, sizeof m);
    FC_UNROLL for (int j = 0; j < VL_ELEMENTS; j++) met |= lanes[j];
    return met != 0;
}

enum { NO_DISTANCES, DISTANCES, TOO_SMALL }; /* all zero; some; the first of them have squares that vanish, and the sums are not finished */

/* The same with sums of a few vectors in the element type: twice as fast. Squares may overflow or vanish then; who calls looks. */
FC_INLINE int short_distances(ptrdiff_t rows, ptrdiff_t count, const real *source, ptrdiff_t row_stride, real center, double *sums) {
    enum { TOGETHER = 16 }; /* vectors: each element meets so many roundings */
    const vec middle = broadcast(center);
    wide sum[HALVES], squares[HALVES], here[HALVES];
    memset(sum, 0, sizeof sum);
    memset(squares, 0, sizeof squares);
    mask bits = mask_of(0);
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *from = source + r * row_stride;
        for (ptrdiff_t i0 = 0; i0 < count; i0 += TOGETHER * VL) {
            const ptrdiff_t end = count - i0 < TOGETHER * VL ? count : i0 + TOGETHER * VL;
            vec distance[2], square[2];
            FC_UNROLL for (int j = 0; j < 2; j++) distance[j] = square[j] = broadcast(0);
            ptrdiff_t i = i0;
            for (; i + 2 * VL <= end; i += 2 * VL) {
                FC_PREFETCH(from + i + PIECE); /* memory works while this pass computes: the next one finds its block at hand */
                FC_UNROLL for (int j = 0; j < 2; j++) {
                    const vec x = load(from + i + j * VL) - middle;
                    distance[j] += x;
                    square[j] += x * x;
                    bits |= as_bits(magnitude(x));
                }
            }
            for (; i < end; i += VL) { /* beyond the end: no distance */
                const vec x = (end - i >= VL ? load(from + i) : load_between(from + i, 0, end - i, center)) - middle;
                distance[0] += x;
                square[0] += x * x;
                bits |= as_bits(magnitude(x));
            }
            if (r == 0 && i0 == 0 && any_bit(bits) && !(total(square[0] + square[1]) > LEAST_SQUARE)) return TOO_SMALL;
            widen(distance[0] + distance[1], here);
            FC_UNROLL for (int h = 0; h < HALVES; h++) sum[h] += here[h];
            widen(square[0] + square[1], here);
            FC_UNROLL for (int h = 0; h < HALVES; h++) squares[h] += here[h];
        }
    }
    FC_UNROLL for (int h = 1; h < HALVES; h++) sum[0] += sum[h], squares[0] += squares[h];
    sums[0] = wide_total(sum[0]);
    sums[1] = wide_total(squares[0]);
    return any_bit(bits) ? DISTANCES : NO_DISTANCES;
}

/* `rows` rows of `count`, at most PIECE elements in all. The first pass finds a center, in the element type: every element is scaled
 * before it is added, so nothing overflows. The second sums the distances from it and their squares; how far the center is from the
 * mean does not matter then, and a large mean costs no digits. */
FC_INLINE void block_moments(ptrdiff_t rows, ptrdiff_t count, const real *source, ptrdiff_t row_stride, fc_moments *result) {
    const double elements = (double)(rows * count);
    const vec share = broadcast((real)(1 / elements));
    vec part[4];
    FC_UNROLL for (int j = 0; j < 4; j++) part[j] = broadcast(0);
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *from = source + r * row_stride;
        ptrdiff_t i = 0;
        for (; i + 4 * VL <= count; i += 4 * VL)
            FC_UNROLL for (int j = 0; j < 4; j++) part[j] += load(from + i + j * VL) * share;
        for (; i + VL <= count; i += VL) part[0] += load(from + i) * share;
        if (i < count) part[1] += load_part(from + i, count - i) * share;
    }
    const real center = total((part[0] + part[1]) + (part[2] + part[3]));
    result->count = elements;
    if (!isfinite(center)) {
        result->mean = result->strange = center;
        result->squares = NAN;
        return;
    }
    double sums[2] = {0, 0};
    const int found = HALVES == 1 ? TOO_SMALL : short_distances(rows, count, source, row_stride, center, sums);
    if (found != NO_DISTANCES && !(sums[1] > elements * LEAST_SQUARE && sums[1] <= DBL_MAX))
        wide_distances(rows, count, source, row_stride, center, sums);
    const double off = sums[0] / elements, spread = sums[1] - off * off * elements;
    result->mean = center + off;
    result->squares = spread < 0 ? 0 : spread; /* a NaN stays */
    result->strange = 0;
}

/* Rows of any number and length. */
FC_INLINE void all_moments(ptrdiff_t rows, ptrdiff_t count, const real *source, ptrdiff_t row_stride, fc_moments *result) {
    if (rows == 1 && count <= PIECE) {
        block_moments(1, count, source, row_stride, result);
        return;
    }
    const ptrdiff_t together = count < PIECE ? PIECE / count : 1;
    fc_moments whole = {0, 0, 0, 0}, part;
    for (ptrdiff_t r = 0; r < rows; r += together)
        for (ptrdiff_t i = 0; i < count; i += PIECE) {
            block_moments(rows - r < together ? rows - r : together, count - i < PIECE ? count - i : PIECE,
                          source + r * row_stride + i, row_stride, &part);
            fc_merge(&whole, &part);
        }
    *result = whole;
}

#endif
