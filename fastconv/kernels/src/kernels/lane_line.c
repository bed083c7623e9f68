/* The transforms of Winograd's minimal filtering along rows, as in line.c, with the images in the lanes. Each point's sums in between are
 * a correlation of its own, in the same order: so a result has the same bits. */
#include "winograd.h"

#if !FC_DOUBLE

FC_INLINE void points_body(const int m, ptrdiff_t tiles, const real *row, real *points, ptrdiff_t point_stride) {
    for (; tiles > 0; tiles--, row += m * VL, points += VL) {
        vec pixels[MOST_POINTS], result[MOST_POINTS];
        FC_UNROLL for (int j = 0; j < MOST_POINTS; j++) pixels[j] = load(row + j * VL);
        transform_pixels(MOST_POINTS, pixels, result);
        FC_UNROLL for (int p = 0; p < MOST_POINTS; p++) store(points + p * point_stride, result[p]);
    }
}

/* points[p * point_stride + t * lanes] = point p of the pixels row[m * t], ..., row[m * t + 5], a vector each. */
void FC_NAME(lane_line_points)(int m, ptrdiff_t tiles, const void *row, void *points, ptrdiff_t point_stride) {
    if (m == 4) points_body(4, tiles, row, points, point_stride);
    else points_body(2, tiles, row, points, point_stride);
}

FC_INLINE void outputs_body(const int m, ptrdiff_t columns, const real *sums, ptrdiff_t point_stride, vec start, real *output, real *doubts) {
    vec doubt = load(doubts);
    for (; columns > 0; columns -= m, sums += VL, output += m * VL) {
        vec point[MOST_POINTS], result[MOST_OUTPUTS];
        FC_UNROLL for (int p = 0; p < MOST_POINTS; p++) point[p] = load(sums + p * point_stride);
        transform_points(MOST_POINTS, m, point, result);
        FC_UNROLL for (int j = 0; j < m; j++) {
            const vec y = result[j] + start;
            doubt += y * 0; /* stays zero; infinity and NaN make it NaN */
            if (j < columns) store(output + j * VL, y);
        }
    }
    store(doubts, doubt);
}

/* A row of `columns` vectors from the sums of its tiles' points, which lie as lane_line_points' do. bias: one, or NULL. doubts: a vector,
 * zero at first; NaN in the lane of an image with a result that is not finite. */
void FC_NAME(lane_line_outputs)(int m, ptrdiff_t columns, const void *sums, ptrdiff_t point_stride, const void *bias, void *output,
                                void *doubts) {
    const vec start = broadcast(bias ? *(const real *)bias : 0);
    if (m == 4) outputs_body(4, columns, sums, point_stride, start, output, doubts);
    else outputs_body(2, columns, sums, point_stride, start, output, doubts);
}
#endif
