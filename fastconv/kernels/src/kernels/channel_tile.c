/* The register tile with the output channels in the lanes: one or two vectors of channels by a run of neighbouring pixels, each of
 * which is broadcast from where it lies. It wastes no lanes on short rows and packs no pixels; its result is turned around once, at
 * the end, to lie channel by channel. */
#include "turn.h"
#include "tiles.h"

FC_INLINE void channel_body(ptrdiff_t depth, const int vectors, const int pixels, ptrdiff_t step, const real *source,
                            const ptrdiff_t *offsets, const real *weights, const real *bias, int relu, real *result) {
    vec sums[CHANNEL_PIXELS_1][2];
    FC_UNROLL for (int p = 0; p < pixels; p++)
        FC_UNROLL for (int j = 0; j < vectors; j++) sums[p][j] = load(bias + j * VL);
    for (; depth > 0; depth--, weights += vectors * VL) {
        const real *pixel = source + *offsets++;
        vec weight[2];
        FC_UNROLL for (int j = 0; j < vectors; j++) {
            /* Weights stream, and hardware prefetching stops at each page. */
            if (j * FC_BYTES % 64 == 0) FC_PREFETCH(weights + (16 * vectors + j) * VL);
            weight[j] = load(weights + j * VL);
        }
        FC_UNROLL for (int p = 0; p < pixels; p++) {
            const vec x = broadcast(pixel[p * step]);
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[p][j] += x * weight[j];
        }
    }
    FC_UNROLL for (int p = 0; p < pixels; p++)
        FC_UNROLL for (int j = 0; j < vectors; j++)
            store(result + (p * vectors + j) * VL, relu ? rectify(sums[p][j]) : sums[p][j]);
}

typedef void sized(ptrdiff_t, ptrdiff_t, const real *, const ptrdiff_t *, const real *, const real *, int, real *);
#define SIZE(vectors, pixels)                                                                                          \
    static void channels_##vectors##x##pixels(ptrdiff_t depth, ptrdiff_t step, const real *source,                     \
                                              const ptrdiff_t *offsets, const real *weights, const real *bias,         \
                                              int relu, real *result) {                                                \
        if (step == 1) channel_body(depth, vectors, pixels, 1, source, offsets, weights, bias, relu, result);          \
        else channel_body(depth, vectors, pixels, step, source, offsets, weights, bias, relu, result);                 \
    }
#define ENTRY(vectors, pixels) channels_##vectors##x##pixels,
CHANNEL_SIZES(SIZE)
static sized *const SIZED[CHANNEL_PIXELS_1 + CHANNEL_PIXELS_2] = {CHANNEL_SIZES(ENTRY)};

/* output[c * output_channel + p] = bias[c] + sum over k, in order, of weights[k][c] * source[offsets[k] + p * step], for `channels`
 * channels of the `vectors` vectors. weights: [depth][vectors * lanes]; bias: whole vectors. */
void FC_NAME(channel_tile)(ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t pixels, ptrdiff_t step, const void *source,
                           const ptrdiff_t *offsets, const void *weights, const void *bias, int relu, ptrdiff_t channels, void *output,
                           ptrdiff_t output_channel) {
    real result[CHANNEL_PIXELS_1 * 2 * VL_ELEMENTS];
    SIZED[(vectors - 1) * CHANNEL_PIXELS_1 + pixels - 1](depth, step, source, offsets, weights, bias, relu, result);
    turn_row_out(channels, pixels, result, vectors * VL, output, output_channel);
}
