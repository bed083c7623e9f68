/* One channel's filter over a block of rows: output[r][i] = bias + sum over taps, in order, of
 * weights[t] * slab[offsets[t] + r * pitch + i]. Several rows abreast hide the latency of the multiply-adds; where the filter's rows read
 * successive rows of the slab, they also share its vectors: each is loaded once for all the rows that it reaches, and what is left to
 * load for a multiply-add is a weight, which never lies across two cache lines. */
#include "vector.h"

enum { ABREAST = FC_REGISTERS == 32 ? 8 : 4 };

FC_INLINE void put(const int rows, vec *sums, int relu, real *output, ptrdiff_t output_row, ptrdiff_t lanes) {
    if (relu)
        FC_UNROLL for (int j = 0; j < rows; j++) sums[j] = rectify(sums[j]);
    if (lanes >= VL)
        FC_UNROLL for (int j = 0; j < rows; j++) store(output + j * output_row, sums[j]);
    else
        FC_UNROLL for (int j = 0; j < rows; j++) store_part(output + j * output_row, sums[j], lanes);
}

FC_INLINE void filter(const int rows, ptrdiff_t taps, const real *slab, ptrdiff_t pitch, const ptrdiff_t *offsets, const real *weights,
                      vec start, int relu, real *output, ptrdiff_t output_row, ptrdiff_t lanes) {
    vec sums[ABREAST];
    FC_UNROLL for (int j = 0; j < rows; j++) sums[j] = start;
    for (ptrdiff_t t = 0; t < taps; t++) {
        const vec weight = broadcast(weights[t]);
        const real *pixels = slab + offsets[t];
        FC_UNROLL for (int j = 0; j < rows; j++) sums[j] += weight * load(pixels + j * pitch);
    }
    put(rows, sums, relu, output, output_row, lanes);
}

/* One row of the slab, for the outputs from..to - 1; `weights` are those of output 0, and each next output is one filter row behind. */
FC_INLINE void share(const int from, const int to, ptrdiff_t KW, const real *slab, const ptrdiff_t *offsets, const real *weights, vec *sums) {
    for (ptrdiff_t t = 0; t < KW; t++) {
        const vec pixels = load(slab + offsets[t]);
        FC_UNROLL for (int j = from; j < to; j++) sums[j] += broadcast(weights[t - j * KW]) * pixels;
    }
}

/* As filter, for at least `rows` - 1 filter rows: the first rows of the slab reach one output more each, the last ones one less. */
FC_INLINE void filter_rows(const int rows, ptrdiff_t KH, ptrdiff_t KW, const real *slab, ptrdiff_t pitch, const ptrdiff_t *offsets,
                           const real *weights, vec start, int relu, real *output, ptrdiff_t output_row, ptrdiff_t lanes) {
    vec sums[ABREAST];
    FC_UNROLL for (int j = 0; j < rows; j++) sums[j] = start;
    FC_UNROLL for (int r = 0; r < rows - 1; r++) share(0, r + 1, KW, slab + r * pitch, offsets, weights + r * KW, sums);
    for (ptrdiff_t r = rows - 1; r < KH; r++) share(0, rows, KW, slab + r * pitch, offsets, weights + r * KW, sums);
    FC_UNROLL for (int j = 1; j < rows; j++)
        share(j, rows, KW, slab + (KH - 1 + j) * pitch, offsets, weights + (KH - 1 + j) * KW, sums);
    put(rows, sums, relu, output, output_row, lanes);
}

/* The taps of a filter row where the filter's rows read successive rows of the slab, else 0. */
static ptrdiff_t successive(ptrdiff_t taps, ptrdiff_t pitch, const ptrdiff_t *offsets) {
    ptrdiff_t KW = 1;
    while (KW < taps && offsets[KW] != offsets[0] + pitch) KW++;
    if (taps % KW) return 0;
    for (ptrdiff_t t = KW; t < taps; t++)
        if (offsets[t] != offsets[t - KW] + pitch) return 0;
    return KW;
}

void FC_NAME(filter_taps)(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t taps, const void *slab, ptrdiff_t pitch, const ptrdiff_t *offsets,
                          const void *weights, const void *bias, int relu, void *output, ptrdiff_t output_row) {
    const vec start = broadcast(bias ? *(const real *)bias : 0);
    const ptrdiff_t KW = successive(taps, pitch, offsets), KH = KW ? taps / KW : 0;
    /* With 16 registers and shorter vectors the loads are no bottleneck, and the plain loop is faster. */
    const int shared = FC_REGISTERS < 32 ? 0 : KH >= ABREAST - 1 ? ABREAST : KH >= 3 ? 4 : 0;
    const real *from = slab;
    real *to = output;
    for (ptrdiff_t i = 0; i < count; i += VL) {
        ptrdiff_t r = 0;
#define AT from + r * pitch + i, pitch, offsets, weights, start, relu, to + r * output_row + i, output_row, count - i
        if (shared == ABREAST)
            for (; r + ABREAST <= rows; r += ABREAST) filter_rows(ABREAST, KH, KW, AT);
        if (shared)
            for (; r + 4 <= rows; r += 4) filter_rows(4, KH, KW, AT);
        for (; r + ABREAST <= rows; r += ABREAST) filter(ABREAST, taps, AT);
        for (; r + 2 <= rows; r += 2) filter(2, taps, AT);
        if (r < rows) filter(1, taps, AT);
#undef AT
    }
}
