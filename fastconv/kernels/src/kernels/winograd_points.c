/* Winograd's transforms of pixels: the image's patches, and (for the gradient of the weights) the tiles of the output's gradient. */
#include "winograd.h"

#if !FC_DOUBLE

enum { CHUNK = 8 }; /* tiles whose half-transformed columns stay in the first-level cache */

FC_INLINE void input_body(const int n, const int m, ptrdiff_t tiles, const real *slab, ptrdiff_t pitch, real *points, ptrdiff_t point_stride) {
    vec half[(CHUNK * 4 + 2) * MOST_POINTS]; /* neighbouring tiles share n - m of their columns */
    for (ptrdiff_t first = 0; first < tiles; first += CHUNK) {
        const ptrdiff_t here = tiles - first < CHUNK ? tiles - first : CHUNK, columns = here * m + n - m;
        const real *from = slab + first * m * VL;
        real *to = points + first * VL;
        for (ptrdiff_t x = 0; x < columns; x++, from += VL) {
            vec pixels[MOST_POINTS];
            FC_UNROLL for (int i = 0; i < n; i++) pixels[i] = load(from + i * pitch);
            transform_pixels(n, pixels, half + x * n);
        }
        for (ptrdiff_t t = 0; t < here; t++, to += VL)
            for (int i = 0; i < n; i++) {
                vec row[MOST_POINTS], result[MOST_POINTS];
                FC_UNROLL for (int j = 0; j < n; j++) row[j] = half[(t * m + j) * n + i];
                transform_pixels(n, row, result);
                FC_UNROLL for (int j = 0; j < n; j++) store(to + (i * n + j) * point_stride, result[j]);
            }
    }
}

/* points[p * point_stride + t * lanes] = point p of tile t: B^T d B of the n x n pixels that begin m * t columns behind the slab's start.
 * slab: rows of `pitch` elements, a vector of channels a pixel. */
void FC_NAME(winograd_input)(int n, int m, ptrdiff_t tiles, const void *slab, ptrdiff_t pitch, void *points, ptrdiff_t point_stride) {
    if (n == 6 && m == 4) input_body(6, 4, tiles, slab, pitch, points, point_stride);
    else if (n == 6 && m == 3) input_body(6, 3, tiles, slab, pitch, points, point_stride);
    else if (n == 6) input_body(6, 2, tiles, slab, pitch, points, point_stride);
    else if (m == 3) input_body(4, 3, tiles, slab, pitch, points, point_stride);
    else input_body(4, 2, tiles, slab, pitch, points, point_stride);
}

FC_INLINE void gradient_body(const int n, const int m, ptrdiff_t tiles, const real *slab, ptrdiff_t pitch, real *points,
                             ptrdiff_t point_stride) {
    for (ptrdiff_t t = 0; t < tiles; t++, slab += m * VL, points += VL) {
        vec half[4][MOST_POINTS];
        FC_UNROLL for (int x = 0; x < m; x++) {
            vec pixels[4];
            FC_UNROLL for (int i = 0; i < m; i++) pixels[i] = load(slab + i * pitch + x * VL);
            transform_taps(n, m, pixels, half[x]);
        }
        FC_UNROLL for (int i = 0; i < n; i++) {
            vec row[4], result[MOST_POINTS];
            FC_UNROLL for (int x = 0; x < m; x++) row[x] = half[x][i];
            transform_taps(n, m, row, result);
            FC_UNROLL for (int j = 0; j < n; j++) store(points + (i * n + j) * point_stride, result[j]);
        }
    }
}

/* The same of the output's gradient, whose m x m pixels are the taps here; winograd_filters multiplies by G's factors. */
void FC_NAME(winograd_gradient)(int n, int m, ptrdiff_t tiles, const void *slab, ptrdiff_t pitch, void *points, ptrdiff_t point_stride) {
    if (n == 6 && m == 4) gradient_body(6, 4, tiles, slab, pitch, points, point_stride);
    else if (n == 6 && m == 3) gradient_body(6, 3, tiles, slab, pitch, points, point_stride);
    else if (n == 6) gradient_body(6, 2, tiles, slab, pitch, points, point_stride);
    else if (m == 3) gradient_body(4, 3, tiles, slab, pitch, points, point_stride);
    else gradient_body(4, 2, tiles, slab, pitch, points, point_stride);
}
#endif
