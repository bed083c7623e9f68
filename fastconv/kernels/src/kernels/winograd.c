/* Winograd's minimal filtering F(m x m, 3 x 3) for m = 4 and m = 2 (Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2016), with the tiles in the lanes:
 *     output tile = A^T [ (G w G^T) * (B^T d B) ] A,    d: (m + 2) x (m + 2) pixels, * by element
 * m = 4 takes the points 0, 1, -1, 2, -1/2, infinity, whose rounding errors are smaller than those of 0, +-1, +-2, infinity
 * (Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution, 2020).
 */
#include "shuffle.h"

/* One dimension of B^T d. */
FC_INLINE void transform_input(const int m, const vec *d, ptrdiff_t step, vec *t, ptrdiff_t to) {
    if (m == 4) {
        const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
        const vec half = broadcast((real)0.5), two = broadcast(2), most = broadcast((real)1.5), top = broadcast((real)2.5);
        const vec u = d4 - d2, v = d3 - d1;
        t[0] = (d0 + d4) - most * v - two * d2;
        t[to] = (u - d1) - most * d2 - half * d3;
        t[2 * to] = (d4 + d1) + half * d2 - top * d3;
        t[3 * to] = u + half * v;
        t[4 * to] = u - two * v;
        t[5 * to] = (d1 + d5) - most * u - two * d3;
    } else {
        t[0] = d[0] - d[2 * step];
        t[to] = d[step] + d[2 * step];
        t[2 * to] = d[2 * step] - d[step];
        t[3 * to] = d[3 * step] - d[step];
    }
}

/* One dimension of A^T p. */
FC_INLINE void transform_output(const int m, const vec *p, ptrdiff_t step, vec *y, ptrdiff_t to) {
    if (m == 4) {
        const vec sum = p[step] + p[2 * step], difference = p[step] - p[2 * step], p3 = p[3 * step], p4 = p[4 * step];
        y[0] = (p[0] + sum) + (p3 + p4);
        y[to] = difference + broadcast(2) * p3 - broadcast((real)0.5) * p4;
        y[2 * to] = sum + broadcast(4) * p3 + broadcast((real)0.25) * p4;
        y[3 * to] = (difference + p[5 * step]) + broadcast(8) * p3 - broadcast((real)0.125) * p4;
    } else {
        y[0] = p[0] + p[step] + p[2 * step];
        y[to] = p[step] - p[2 * step] + p[3 * step];
    }
}

/* The m + 2 columns of one row for a vector of tiles, m pixels apart: column[j] lane t = row[m * t + j]. */
FC_INLINE void load_columns(const int m, const real *row, vec *column) {
#if FC_VECTORS
    if (m == 4) {
        const vec a = load(row), b = load(row + VL), c = load(row + 2 * VL), d = load(row + 3 * VL), next = load(row + 4 * VL);
        const vec e0 = evens(a, b), e1 = evens(c, d), o0 = odds(a, b), o1 = odds(c, d);
        column[0] = evens(e0, e1);
        column[2] = odds(e0, e1);
        column[1] = evens(o0, o1);
        column[3] = odds(o0, o1);
        column[4] = nexts(column[0], next);
        column[5] = nexts(column[1], nexts(next, next));
    } else {
        const vec a = load(row), b = load(row + VL), next = load(row + 2 * VL);
        column[0] = evens(a, b);
        column[1] = odds(a, b);
        column[2] = nexts(column[0], next);
        column[3] = nexts(column[1], nexts(next, next));
    }
#else
    for (int j = 0; j < m + 2; j++) column[j] = row[j];
#endif
}

FC_INLINE void input_body(const int m, ptrdiff_t channels, ptrdiff_t tiles, const real *source, ptrdiff_t channel_stride,
                          const ptrdiff_t *rows, const integer *inside, real *points, ptrdiff_t point_stride, ptrdiff_t points_row) {
    const int n = m + 2;
    for (ptrdiff_t c = 0; c < channels; c++, source += channel_stride, points += points_row) {
        vec pixels[6 * 6], halfway[6 * 6], result[6 * 6];
        FC_UNROLL for (int i = 0; i < n; i++) {
            if (rows[i] == PTRDIFF_MIN) { /* a row of padding */
                FC_UNROLL for (int j = 0; j < n; j++) pixels[i * n + j] = broadcast(0);
                continue;
            }
            load_columns(m, source + rows[i], pixels + i * n);
            if (inside)
                FC_UNROLL for (int j = 0; j < n; j++) {
                    mask keep;
                    memcpy(&keep, inside + j * VL, sizeof keep);
                    pixels[i * n + j] = from_bits(as_bits(pixels[i * n + j]) & keep);
                }
        }
        FC_UNROLL for (int j = 0; j < n; j++) transform_input(m, pixels + j, n, halfway + j, n);
        FC_UNROLL for (int i = 0; i < n; i++) transform_input(m, halfway + i * n, 1, result + i * n, 1);
        if (tiles == VL)
            FC_UNROLL for (int k = 0; k < n * n; k++) store(points + k * point_stride, result[k]);
        else
            FC_UNROLL for (int k = 0; k < n * n; k++) store_part(points + k * point_stride, result[k], tiles);
    }
}

/* B^T d B of `tiles` neighbouring tiles in `channels` channels. rows[i]: where row i of the tiles begins in the source, or
 * PTRDIFF_MIN for padding. inside[j]: a mask of the lanes whose column j lies in the image, or NULL where all do.
 * Each row is read for (m + 1) whole vectors. */
void FC_NAME(winograd_input)(int m, ptrdiff_t channels, ptrdiff_t tiles, const void *source, ptrdiff_t channel_stride,
                             const ptrdiff_t *rows, const void *inside, void *points, ptrdiff_t point_stride, ptrdiff_t points_row) {
    if (m == 4) input_body(4, channels, tiles, source, channel_stride, rows, inside, points, point_stride, points_row);
    else input_body(2, channels, tiles, source, channel_stride, rows, inside, points, point_stride, points_row);
}

/* Write one row of m * tiles pixels, of which `columns` exist: column[j] lane t goes to row[m * t + j]. */
FC_INLINE void store_columns(const int m, const vec *column, real *row, ptrdiff_t columns) {
    vec pixels[4];
    if (m == 4) {
        const vec a = lows(column[0], column[2]), b = lows(column[1], column[3]);
        const vec c = highs(column[0], column[2]), d = highs(column[1], column[3]);
        pixels[0] = lows(a, b);
        pixels[1] = highs(a, b);
        pixels[2] = lows(c, d);
        pixels[3] = highs(c, d);
    } else {
        pixels[0] = lows(column[0], column[1]);
        pixels[1] = highs(column[0], column[1]);
    }
    FC_UNROLL for (int j = 0; j < m; j++) {
        const ptrdiff_t left = columns - j * VL;
        if (left >= VL) store(row + j * VL, pixels[j]);
        else if (left > 0) store_part(row + j * VL, pixels[j], left);
    }
}

FC_INLINE int output_body(const int m, ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const real *points, ptrdiff_t point_stride,
                          ptrdiff_t points_row, const real *bias, int relu, real *output, ptrdiff_t output_row, ptrdiff_t output_channel) {
    const int n = m + 2;
    const ptrdiff_t tiles = (columns + m - 1) / m;
    vec doubt = broadcast(0);
    for (ptrdiff_t c = 0; c < channels; c++, points += points_row, output += output_channel) {
        vec halfway[4 * 6], result[4 * 4];
        FC_UNROLL for (int j = 0; j < n; j++) {
            vec column[6];
            FC_UNROLL for (int i = 0; i < n; i++) column[i] = load(points + (i * n + j) * point_stride);
            transform_output(m, column, 1, halfway + j, n);
        }
        const vec start = broadcast(bias ? bias[c] : 0);
        FC_UNROLL for (int i = 0; i < m; i++) transform_output(m, halfway + i * n, 1, result + i * m, 1);
        FC_UNROLL for (int k = 0; k < m * m; k++) {
            result[k] += start;
            doubt += result[k] * 0; /* stays zero; infinity and NaN make it NaN */
            if (relu) result[k] = rectify(result[k]);
        }
        for (int i = 0; i < m && i < rows; i++) store_columns(m, result + i * m, output + i * output_row, columns);
    }
    real lanes[FC_BYTES / sizeof(real)], total = 0;
    store(lanes, doubt);
    for (ptrdiff_t t = 0; t < VL && t < tiles; t++) total += lanes[t];
    return total == 0;
}

/* A^T p A of neighbouring tiles in `channels` channels, plus the bias, to `rows` rows (at most m) of `columns` pixels (at most m
 * vectors). False where a result is not finite: then a direct sum has to decide which ones really are. */
int FC_NAME(winograd_output)(int m, ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const void *points, ptrdiff_t point_stride,
                             ptrdiff_t points_row, const void *bias, int relu, void *output, ptrdiff_t output_row,
                             ptrdiff_t output_channel) {
    if (m == 4)
        return output_body(4, channels, rows, columns, points, point_stride, points_row, bias, relu, output, output_row, output_channel);
    return output_body(2, channels, rows, columns, points, point_stride, points_row, bias, relu, output, output_row, output_channel);
}

/* G w G^T in double precision, rounded once, for `outputs` output channels (at most width) and `depth` source channels:
 * packed[p * point_stride + k * width + i] is point p of filter (i, k). Filters start at i * output_stride + k * depth_stride;
 * `flipped` turns them by 180 degrees, as the gradient of the input needs them. */
void FC_NAME(winograd_weights)(int m, ptrdiff_t depth, ptrdiff_t outputs, ptrdiff_t width, const void *source, ptrdiff_t output_stride,
                               ptrdiff_t depth_stride, int flipped, void *packed, ptrdiff_t point_stride) {
    static const double g4[6][3] = {{1, 0, 0}, {-1.0 / 3, -1.0 / 3, -1.0 / 3}, {1.0 / 3, -1.0 / 3, 1.0 / 3},
                                    {1.0 / 15, 2.0 / 15, 4.0 / 15}, {-16.0 / 15, 8.0 / 15, -4.0 / 15}, {0, 0, 1}};
    static const double g2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    enum { SIDE = 8 }; /* filters at a time */
    const int n = m + 2;
    for (ptrdiff_t k = 0; k < depth; k++)
        for (ptrdiff_t i0 = 0; i0 < width; i0 += SIDE) {
            double w[3][3][SIDE], half[6][3][SIDE];
            real *to = (real *)packed + k * width + i0;
            const ptrdiff_t here = width - i0 < SIDE ? width - i0 : SIDE;
            for (ptrdiff_t i = 0; i < SIDE; i++) {
                const real *filter = (const real *)source + (i0 + i) * output_stride + k * depth_stride;
                for (int t = 0; t < 9; t++) w[t / 3][t % 3][i] = i0 + i < outputs ? filter[flipped ? 8 - t : t] : 0;
            }
            for (int a = 0; a < n; a++) {
                const double *g = m == 4 ? g4[a] : g2[a];
                for (int t = 0; t < 3; t++)
                    for (int i = 0; i < SIDE; i++) half[a][t][i] = g[0] * w[0][t][i] + g[1] * w[1][t][i] + g[2] * w[2][t][i];
            }
            for (int a = 0; a < n; a++)
                for (int b = 0; b < n; b++) {
                    const double *g = m == 4 ? g4[b] : g2[b];
                    double point[SIDE];
                    for (int i = 0; i < SIDE; i++) point[i] = g[0] * half[a][0][i] + g[1] * half[a][1][i] + g[2] * half[a][2][i];
                    for (ptrdiff_t i = 0; i < here; i++) to[(a * n + b) * point_stride + i] = (real)point[i];
                }
        }
}
