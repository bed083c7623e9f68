/* Winograd's transform of the weights, in double precision and rounded once. */
#include "filters.h"

#if !FC_DOUBLE

enum {
    STEP = 8 /* channels at a time: the lines that they fill stay in the first-level cache until all filters have been there */
};

FC_INLINE void weights_body(const int n, const int r, ptrdiff_t depth, ptrdiff_t outputs, ptrdiff_t width, const real *source,
                            ptrdiff_t output_stride, ptrdiff_t depth_stride, int flipped, real *packed, ptrdiff_t point_stride) {
    for (ptrdiff_t k0 = 0; k0 < depth; k0 += STEP)
      for (ptrdiff_t i = 0; i < width; i += FILTERS)
        for (ptrdiff_t k = k0; k < depth && k < k0 + STEP; k++) {
            real taps[MOST_TAPS][FILTERS];
            wide filter[MOST_TAPS], half[MOST_OUTPUTS][MOST_POINTS], column[MOST_OUTPUTS], points[MOST_POINTS];
            load_filters(r * r, outputs - i, source + i * output_stride + k * depth_stride, output_stride, taps);
            FC_UNROLL for (int t = 0; t < r * r; t++) filter[t] = widen(taps[flipped ? r * r - 1 - t : t]);
            FC_UNROLL for (int x = 0; x < r; x++) transform_filter(n, r, filter + x, r, half[x]);
            FC_UNROLL for (int a = 0; a < n; a++) {
                real *to = packed + a * n * point_stride + k * width + i;
                FC_UNROLL for (int x = 0; x < r; x++) column[x] = half[x][a];
                transform_filter(n, r, column, 1, points);
                FC_UNROLL for (int b = 0; b < n; b++) {
                    if (width - i >= FILTERS) {
                        narrow_to(to + b * point_stride, points[b]);
                    } else {
                        real last[FILTERS];
                        narrow_to(last, points[b]);
                        memcpy(to + b * point_stride, last, (size_t)(width - i) * sizeof(real));
                    }
                }
            }
        }
}

/* G w G^T for `outputs` output channels (at most `width`) and `depth` source channels: packed[p * point_stride + k * width + i] is
 * point p of filter (i, k). Filters of r x r taps start at i * output_stride + k * depth_stride; `flipped` turns them by 180 degrees,
 * as the gradient of the input needs them. */
void FC_NAME(winograd_weights)(int n, int r, ptrdiff_t depth, ptrdiff_t outputs, ptrdiff_t width, const void *source,
                               ptrdiff_t output_stride, ptrdiff_t depth_stride, int flipped, void *packed, ptrdiff_t point_stride) {
#define BODY(n, r) weights_body(n, r, depth, outputs, width, source, output_stride, depth_stride, flipped, packed, point_stride)
    if (n == 6 && r == 3) BODY(6, 3);
    else if (n == 6 && r == 4) BODY(6, 4);
    else if (n == 6) BODY(6, 5);
    else if (r == 2) BODY(4, 2);
    else BODY(4, 3);
}
#endif
