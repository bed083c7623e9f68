/* The one-dimensional transforms of Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
 * 2016), with the channels in the lanes. F(m, r) makes m outputs of r taps from n = m + r - 1 points:
 *     output = A^T [ (G taps) * (B^T pixels) ],    * by element; in two dimensions each transform works on columns, then rows
 * B^T depends on the points alone, so one n serves every split into m and r: 6 = 4 + 3 - 1 = 3 + 4 - 1 = 2 + 5 - 1, 4 = 2 + 3 - 1 =
 * 3 + 2 - 1, and the gradient of the weights, whose outputs are the taps. n = 6 takes the points 0, 1, -1, 2, -1/2, infinity, whose
 * rounding errors are smaller than those of 0, +-1, +-2, infinity (Barabasz et al., Error Analysis and Improving the Accuracy of Winograd
 * Convolution, 2020); n = 4 takes 0, 1, -1, infinity. */
#ifndef FC_WINOGRAD_H
#define FC_WINOGRAD_H

#include "vector.h"

enum { MOST_POINTS = 6, MOST_OUTPUTS = 5 };

/* What G divides by, point by point: row p of G is FACTOR[p] * (1, p, p^2, ...), the last row picks the last tap. */
static const double FACTORS_6[6] = {1, -1.0 / 3, 1.0 / 3, 1.0 / 15, -16.0 / 15, 1};
static const double FACTORS_4[4] = {1, 0.5, 0.5, 1};

/* t = B^T d */
FC_INLINE void transform_pixels(const int n, const vec *d, vec *t) {
    if (n == 6) {
        const vec half = broadcast((real)0.5), two = broadcast(2), most = broadcast((real)1.5), top = broadcast((real)2.5);
        const vec u = d[4] - d[2], v = d[3] - d[1];
        t[0] = (d[0] + d[4]) - most * v - two * d[2];
        t[1] = (u - d[1]) - most * d[2] - half * d[3];
        t[2] = (d[4] + d[1]) + half * d[2] - top * d[3];
        t[3] = u + half * v;
        t[4] = u - two * v;
        t[5] = (d[1] + d[5]) - most * u - two * d[3];
    } else {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[3] - d[1];
    }
}

/* t = G g without its factors, for r taps. */
FC_INLINE void transform_taps(const int n, const int r, const vec *g, vec *t) {
    vec even = g[0], odd = broadcast(0);
    FC_UNROLL for (int i = 2; i < r; i += 2) even += g[i];
    FC_UNROLL for (int i = 1; i < r; i += 2) odd += g[i];
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    if (n == 6) {
        vec two = g[r - 1], half = g[r - 1];
        FC_UNROLL for (int i = r - 2; i >= 0; i--) {
            two = g[i] + broadcast(2) * two;
            half = g[i] - broadcast((real)0.5) * half;
        }
        t[3] = two;
        t[4] = half;
    }
    t[n - 1] = g[r - 1];
}

/* y = A^T p, for m outputs. */
FC_INLINE void transform_points(const int n, const int m, const vec *p, vec *y) {
    const vec sum = p[1] + p[2], difference = p[1] - p[2];
    real two = 1, half = 1;
    FC_UNROLL for (int i = 0; i < m; i++, two *= 2, half *= (real)-0.5) {
        vec total = i % 2 ? difference : sum;
        if (i == 0) total = p[0] + total;
        if (i == m - 1) total += p[n - 1];
        if (n == 6) total = i == 0 ? total + (p[3] + p[4]) : total + broadcast(two) * p[3] + broadcast(half) * p[4];
        y[i] = total;
    }
}

#endif
