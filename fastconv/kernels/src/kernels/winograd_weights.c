/* Winograd's transform of the weights, in double precision and rounded once. */
#include "transpose.h"
#include "winograd.h"

enum {
    MOST_TAPS = 25,
    STEP = 8 /* channels at a time: the lines that they fill stay in the first-level cache until all filters have been there */
};

/* A tap of several filters at a time, whatever the length of the machine's own vectors. */
#if FC_VECTORS
enum { FILTERS = 8 };
typedef double wide __attribute__((vector_size(64)));
typedef real narrow __attribute__((vector_size(8 * sizeof(real)), aligned(sizeof(real)), may_alias));
FC_INLINE wide widen(const real *p) { return __builtin_convertvector(*(const narrow *)p, wide); }
FC_INLINE void narrow_to(real *p, wide x) { *(narrow *)p = __builtin_convertvector(x, narrow); }
#else
enum { FILTERS = 1 };
typedef double wide;
FC_INLINE wide widen(const real *p) { return *p; }
FC_INLINE void narrow_to(real *p, wide x) { *p = (real)x; }
#endif

/* t = G g */
FC_INLINE void transform_filter(const int n, const int r, const wide *g, ptrdiff_t step, wide *t) {
    const double *factors = n == 6 ? FACTORS_6 : FACTORS_4;
    wide even = g[0], odd = g[step];
    FC_UNROLL for (int i = 2; i < r; i += 2) even += g[i * step];
    FC_UNROLL for (int i = 3; i < r; i += 2) odd += g[i * step];
    t[0] = g[0];
    t[1] = (even + odd) * factors[1];
    t[2] = (even - odd) * factors[2];
    if (n == 6) {
        wide two = g[(r - 1) * step], half = two;
        FC_UNROLL for (int i = r - 2; i >= 0; i--) {
            two = g[i * step] + 2 * two;
            half = g[i * step] - 0.5 * half;
        }
        t[3] = two * factors[3];
        t[4] = half * factors[4];
    }
    t[n - 1] = g[(r - 1) * step];
}

/* taps[t][i] = tap t of filter i, zero for the filters that do not exist. */
FC_INLINE void load_filters(const int taps, ptrdiff_t filters, const real *source, ptrdiff_t filter_stride, real (*to)[FILTERS]) {
    for (ptrdiff_t i = 0; i < FILTERS; i += SIDE)
        if (i + SIDE <= filters) {
            int t = 0;
            for (; t + SIDE <= taps; t += SIDE) transpose(source + i * filter_stride + t, filter_stride, &to[t][i], FILTERS);
            for (; t < taps; t++)
                for (int j = 0; j < SIDE; j++) to[t][i + j] = source[(i + j) * filter_stride + t];
        } else {
            for (int t = 0; t < taps; t++)
                for (ptrdiff_t j = i; j < i + SIDE; j++) to[t][j] = j < filters ? source[j * filter_stride + t] : 0;
        }
}

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
    else BODY(4, 3);
}
