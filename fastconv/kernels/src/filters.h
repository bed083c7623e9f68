/* Winograd's transform of filters along one axis, in double precision. */
#ifndef FC_FILTERS_H
#define FC_FILTERS_H

#include "transpose.h"
#include "winograd.h"

enum { MOST_TAPS = 25 };

/* A tap of several filters at a time: they share the lines that they are written to; with the shortest vectors fewer, whose code is small. */
#if FC_VECTORS
enum { FILTERS = FC_BYTES > 16 ? 8 : 4 };
typedef double wide __attribute__((vector_size(FILTERS * sizeof(double))));
typedef real narrow __attribute__((vector_size(FILTERS * sizeof(real)), aligned(sizeof(real)), may_alias));
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

#endif
