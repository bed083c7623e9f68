/* One channel's filter over a block of rows: output[r][i] = bias + sum over taps, in order, of
 * weights[t] * slab[offsets[t] + r * pitch + i]. Several rows abreast hide the latency of the multiply-adds. */
#include "vector.h"

enum { ABREAST = FC_REGISTERS == 32 ? 8 : 4 };

FC_INLINE void filter(const int rows, ptrdiff_t taps, const real *slab, ptrdiff_t pitch, const ptrdiff_t *offsets, const real *weights,
                      vec start, int relu, real *output, ptrdiff_t output_row, ptrdiff_t lanes) {
    vec sums[ABREAST];
    FC_UNROLL for (int j = 0; j < rows; j++) sums[j] = start;
    for (ptrdiff_t t = 0; t < taps; t++) {
        const vec weight = broadcast(weights[t]);
        const real *pixels = slab + offsets[t];
        FC_UNROLL for (int j = 0; j < rows; j++) sums[j] += weight * load(pixels + j * pitch);
    }
    if (relu)
        FC_UNROLL for (int j = 0; j < rows; j++) sums[j] = pick((mask)(sums[j] <= broadcast(0)), broadcast(0), sums[j]);
    if (lanes >= VL)
        FC_UNROLL for (int j = 0; j < rows; j++) store(output + j * output_row, sums[j]);
    else
        FC_UNROLL for (int j = 0; j < rows; j++) store_part(output + j * output_row, sums[j], lanes);
}

void FC_NAME(filter_taps)(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t taps, const void *slab, ptrdiff_t pitch, const ptrdiff_t *offsets,
                          const void *weights, const void *bias, int relu, void *output, ptrdiff_t output_row) {
    const vec start = broadcast(bias ? *(const real *)bias : 0);
    const real *from = slab;
    real *to = output;
    for (ptrdiff_t i = 0; i < count; i += VL) {
        ptrdiff_t r = 0;
        for (; r + ABREAST <= rows; r += ABREAST)
            filter(ABREAST, taps, from + r * pitch + i, pitch, offsets, weights, start, relu, to + r * output_row + i, output_row, count - i);
        for (; r + 2 <= rows; r += 2)
            filter(2, taps, from + r * pitch + i, pitch, offsets, weights, start, relu, to + r * output_row + i, output_row, count - i);
        if (r < rows)
            filter(1, taps, from + r * pitch + i, pitch, offsets, weights, start, relu, to + r * output_row + i, output_row, count - i);
    }
}
