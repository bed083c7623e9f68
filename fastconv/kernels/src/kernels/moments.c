/* Statistics of normalisation, and the sums of its gradient. */
#include "wide.h"

/* Mean and squared distances of `rows` rows of `count`. */
void FC_NAME(moments)(ptrdiff_t rows, ptrdiff_t count, const void *source, ptrdiff_t row_stride, fc_moments *result) {
    all_moments(rows, count, source, row_stride, result);
}

/* The same of each of `columns` columns: a vector of columns at a time, some rows at a time so that the second pass hits the cache. */
void FC_NAME(column_moments)(ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t row_stride, fc_moments *result) {
    enum { TOGETHER = 128 };
    for (ptrdiff_t c = 0; c < columns; c += VL) {
        const ptrdiff_t width = columns - c < VL ? columns - c : VL;
        for (ptrdiff_t j = 0; j < width; j++) result[c + j] = (fc_moments){0, 0, 0, 0};
        for (ptrdiff_t r0 = 0; r0 < rows; r0 += TOGETHER) {
            const ptrdiff_t here = rows - r0 < TOGETHER ? rows - r0 : TOGETHER;
            const real *from = (const real *)source + r0 * row_stride + c;
            const vec share = broadcast((real)1 / (real)here);
            vec middle = broadcast(0);
            for (ptrdiff_t r = 0; r < here; r++)
                middle += (width == VL ? load(from + r * row_stride) : load_part(from + r * row_stride, width)) * share;
            wide sum[HALVES], squares[HALVES], distance[HALVES];
            memset(sum, 0, sizeof sum);
            memset(squares, 0, sizeof squares);
            for (ptrdiff_t r = 0; r < here; r++) {
                const real *row = from + r * row_stride;
                widen((width == VL ? load(row) : load_part(row, width)) - middle, distance);
                FC_UNROLL for (int h = 0; h < HALVES; h++) {
                    sum[h] += distance[h];
                    squares[h] += distance[h] * distance[h];
                }
            }
            double off[VL_ELEMENTS], spread[VL_ELEMENTS];
            real center[VL_ELEMENTS];
            memcpy(off, sum, sizeof sum);
            memcpy(spread, squares, sizeof squares);
            store(center, middle);
            for (ptrdiff_t j = 0; j < width; j++) {
                const double mean = off[j] / (double)here, square = spread[j] - mean * mean * (double)here;
                fc_moments part = {(double)here, center[j] + mean, square < 0 ? 0 : square, 0};
                if (!isfinite(center[j])) part = (fc_moments){(double)here, center[j], NAN, center[j]};
                fc_merge(&result[c + j], &part);
            }
        }
    }
}

/* sums[0] += the sum of `gradient`, sums[1] += that of gradient * (source - mean), over `rows` rows of `count`. In the element type within
 * a piece, in double over the pieces. */
void FC_NAME(gradient_sums)(ptrdiff_t rows, ptrdiff_t count, const void *gradient, const void *source, ptrdiff_t row_stride, double mean,
                            double *sums) {
    const vec middle = broadcast((real)mean);
    const ptrdiff_t together = count < PIECE ? PIECE / (count > 0 ? count : 1) : 1;
    for (ptrdiff_t r0 = 0; r0 < rows; r0 += together)
        for (ptrdiff_t i0 = 0; i0 < count; i0 += PIECE) {
            const ptrdiff_t end = rows - r0 < together ? rows : r0 + together, width = count - i0 < PIECE ? count - i0 : PIECE;
            vec plain[2], moved[2];
            FC_UNROLL for (int j = 0; j < 2; j++) plain[j] = moved[j] = broadcast(0);
            for (ptrdiff_t r = r0; r < end; r++) {
                const real *g = (const real *)gradient + r * row_stride + i0, *x = (const real *)source + r * row_stride + i0;
                ptrdiff_t i = 0;
                for (; i + 2 * VL <= width; i += 2 * VL)
                    FC_UNROLL for (int j = 0; j < 2; j++) {
                        const vec here = load_once(g + i + j * VL);
                        plain[j] += here;
                        moved[j] += here * (load(x + i + j * VL) - middle);
                    }
                for (; i + VL <= width; i += VL) {
                    const vec here = load(g + i);
                    plain[0] += here;
                    moved[0] += here * (load(x + i) - middle);
                }
                if (i < width) {
                    const vec here = load_part(g + i, width - i);
                    plain[1] += here;
                    moved[1] += here * (load_between(x + i, 0, width - i, (real)mean) - middle);
                }
            }
            sums[0] += total(plain[0] + plain[1]);
            sums[1] += total(moved[0] + moved[1]);
        }
}

/* The same of each of `columns` columns, each with its own mean: sums[2 c] and sums[2 c + 1]. */
void FC_NAME(column_gradient_sums)(ptrdiff_t rows, ptrdiff_t columns, const void *gradient, const void *source, ptrdiff_t row_stride,
                                   const void *mean, double *sums) {
    enum { TOGETHER = 128 };
    for (ptrdiff_t c = 0; c < columns; c += VL) {
        const ptrdiff_t width = columns - c < VL ? columns - c : VL;
        const vec middle = load_part((const real *)mean + c, width);
        for (ptrdiff_t r0 = 0; r0 < rows; r0 += TOGETHER) {
            const ptrdiff_t end = rows - r0 < TOGETHER ? rows : r0 + TOGETHER;
            vec plain = broadcast(0), moved = broadcast(0);
            for (ptrdiff_t r = r0; r < end; r++) {
                const real *g = (const real *)gradient + r * row_stride + c, *x = (const real *)source + r * row_stride + c;
                const vec here = width == VL ? load(g) : load_part(g, width);
                plain += here;
                moved += here * ((width == VL ? load(x) : load_part(x, width)) - middle);
            }
            real first[VL_ELEMENTS], second[VL_ELEMENTS];
            store(first, plain);
            store(second, moved);
            for (ptrdiff_t j = 0; j < width; j++) {
                sums[2 * (c + j)] += first[j];
                sums[2 * (c + j) + 1] += second[j];
            }
        }
    }
}
