/* Winograd's transforms back: products to pixels of the output, or to taps of the weights' gradient. */
#include "winograd.h"

#if !FC_DOUBLE

FC_INLINE int output_body(const int n, const int m, ptrdiff_t tiles, const real *products, ptrdiff_t point_stride, ptrdiff_t tile_stride,
                          vec bias, int relu, real *stage, ptrdiff_t pitch) {
    vec doubt = broadcast(0);
    for (ptrdiff_t t = 0; t < tiles; t++, products += tile_stride, stage += m * VL) {
        vec half[MOST_POINTS][MOST_OUTPUTS];
        FC_UNROLL for (int j = 0; j < n; j++) {
            vec column[MOST_POINTS];
            FC_UNROLL for (int i = 0; i < n; i++) column[i] = load(products + (i * n + j) * point_stride);
            transform_points(n, m, column, half[j]);
        }
        FC_UNROLL for (int i = 0; i < m; i++) {
            vec row[MOST_POINTS], result[MOST_OUTPUTS];
            FC_UNROLL for (int j = 0; j < n; j++) row[j] = half[j][i];
            transform_points(n, m, row, result);
            FC_UNROLL for (int j = 0; j < m; j++) {
                const vec y = result[j] + bias;
                doubt += y * 0; /* stays zero; infinity and NaN make it NaN */
                store(stage + i * pitch + j * VL, relu ? rectify(y) : y);
            }
        }
    }
    real lanes[FC_BYTES / sizeof(real)], total = 0;
    store(lanes, doubt);
    for (ptrdiff_t c = 0; c < VL; c++) total += lanes[c];
    return total == 0;
}

/* m x m outputs of each of `tiles` neighbouring tiles, plus the bias: a vector of channels a pixel, in rows of `pitch` elements. False
 * where a result is not finite: then a direct sum has to decide which ones really are. */
int FC_NAME(winograd_output)(int n, int m, ptrdiff_t tiles, const void *products, ptrdiff_t point_stride, ptrdiff_t tile_stride,
                             const void *bias, int relu, void *stage, ptrdiff_t pitch) {
    const vec start = bias ? load(bias) : broadcast(0);
    if (n == 6 && m == 4) return output_body(6, 4, tiles, products, point_stride, tile_stride, start, relu, stage, pitch);
    if (n == 6 && m == 3) return output_body(6, 3, tiles, products, point_stride, tile_stride, start, relu, stage, pitch);
    if (n == 6) return output_body(6, 2, tiles, products, point_stride, tile_stride, start, relu, stage, pitch);
    if (m == 3) return output_body(4, 3, tiles, products, point_stride, tile_stride, start, relu, stage, pitch);
    return output_body(4, 2, tiles, products, point_stride, tile_stride, start, relu, stage, pitch);
}

FC_INLINE void filters_body(const int n, const int r, ptrdiff_t channels, const real *products, ptrdiff_t point_stride, int accumulate,
                            real *weights) {
    const double *factors = n == 6 ? FACTORS_6 : FACTORS_4;
    vec half[MOST_POINTS][MOST_OUTPUTS];
    real taps[MOST_OUTPUTS * MOST_OUTPUTS * (FC_BYTES / sizeof(real))];
    FC_UNROLL for (int j = 0; j < n; j++) {
        vec column[MOST_POINTS];
        FC_UNROLL for (int i = 0; i < n; i++)
            column[i] = broadcast((real)(factors[i] * factors[j])) * load(products + (i * n + j) * point_stride);
        transform_points(n, r, column, half[j]);
    }
    FC_UNROLL for (int i = 0; i < r; i++) {
        vec row[MOST_POINTS], result[MOST_OUTPUTS];
        FC_UNROLL for (int j = 0; j < n; j++) row[j] = half[j][i];
        transform_points(n, r, row, result);
        FC_UNROLL for (int j = 0; j < r; j++) store(taps + (i * r + j) * VL, result[j]);
    }
    for (ptrdiff_t c = 0; c < channels; c++, weights += r * r)
        FC_UNROLL for (int t = 0; t < r * r; t++) weights[t] = accumulate ? weights[t] + taps[t * VL + c] : taps[t * VL + c];
}

/* One output channel's r x r taps for up to a vector of source channels: weights[c * r * r + t], set or added to. */
void FC_NAME(winograd_filters)(int n, int r, ptrdiff_t channels, const void *products, ptrdiff_t point_stride, int accumulate, void *weights) {
    if (n == 6 && r == 3) filters_body(6, 3, channels, products, point_stride, accumulate, weights);
    else if (n == 6 && r == 4) filters_body(6, 4, channels, products, point_stride, accumulate, weights);
    else if (n == 6) filters_body(6, 5, channels, products, point_stride, accumulate, weights);
    else if (r == 2) filters_body(4, 2, channels, products, point_stride, accumulate, weights);
    else filters_body(4, 3, channels, products, point_stride, accumulate, weights);
}
#endif
