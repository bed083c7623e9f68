/* One pixel by many output channels: what a dense layer makes of a row. Sums of a single pixel are few, and each waits for its last
 * addition; more vectors of channels at a time let the weights stream instead. */
#include "vector.h"

enum {
    BLOCKS = FC_REGISTERS == 32 ? 8 : 4, /* of two vectors each */
    AHEAD = 12,                          /* steps: the weights of each block stream from the second-level cache */
};

FC_INLINE void pixel_body(const int blocks, ptrdiff_t depth, const real *source, const ptrdiff_t *offsets, const real *weights,
                          ptrdiff_t block_stride, const real *bias, int relu, real *result) {
    vec sums[BLOCKS][2];
    FC_UNROLL for (int b = 0; b < blocks; b++)
        FC_UNROLL for (int j = 0; j < 2; j++) sums[b][j] = load(bias + (2 * b + j) * VL);
    for (ptrdiff_t k = 0; k < depth; k++, weights += 2 * VL) {
        const vec x = broadcast(source[offsets[k]]);
        FC_UNROLL for (int b = 0; b < blocks; b++)
            FC_UNROLL for (int j = 0; j < 2; j++) {
                if (j * FC_BYTES % 64 == 0) FC_PREFETCH(weights + b * block_stride + (2 * AHEAD + j) * VL);
                sums[b][j] += x * load(weights + b * block_stride + j * VL);
            }
    }
    FC_UNROLL for (int b = 0; b < blocks; b++)
        FC_UNROLL for (int j = 0; j < 2; j++) store(result + (2 * b + j) * VL, relu ? rectify(sums[b][j]) : sums[b][j]);
}

/* output[c * output_channel] = bias[c] + sum over k, in order, of weights[c / (2 lanes)][k][c % (2 lanes)] * source[offsets[k]], for
 * `channels` channels. Weights come in blocks of two vectors, `block_stride` apart; bias: whole blocks. */
void FC_NAME(pixel_tile)(ptrdiff_t depth, ptrdiff_t channels, const void *source, const ptrdiff_t *offsets, const void *weights,
                         ptrdiff_t block_stride, const void *bias, int relu, void *output, ptrdiff_t output_channel) {
    const real *w = weights, *b = bias;
    real *to = output, result[BLOCKS * 2 * VL_ELEMENTS];
    for (ptrdiff_t left = channels; left > 0; left -= BLOCKS * 2 * VL, w += BLOCKS * block_stride, b += BLOCKS * 2 * VL) {
        const ptrdiff_t here = left < BLOCKS * 2 * VL ? left : BLOCKS * 2 * VL;
        switch ((here + 2 * VL - 1) / (2 * VL)) {
#define CASE(blocks) case blocks: pixel_body(blocks, depth, source, offsets, w, block_stride, b, relu, result); break;
            CASE(1) CASE(2) CASE(3) CASE(4)
#if FC_REGISTERS == 32
            CASE(5) CASE(6) CASE(7) CASE(8)
#endif
        }
        if (output_channel == 1)
            for (ptrdiff_t c = 0; c < here; c += VL) store_up_to(to + c, load(result + c), here - c);
        else
            for (ptrdiff_t c = 0; c < here; c++) to[c * output_channel] = result[c];
        to += here * output_channel;
    }
}
