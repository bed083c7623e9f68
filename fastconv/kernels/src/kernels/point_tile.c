/* The register tile of Winograd's products, for one point: a run of tiles by one or two vectors of output channels, over the channels. */
#include "vector.h"
#include "tiles.h"

#if !FC_DOUBLE

FC_INLINE void add_products(const int vectors, const int tiles, const real *points, const real *weights, vec (*sums)[2]) {
    vec weight[2];
    FC_UNROLL for (int j = 0; j < vectors; j++) {
        /* Weights stream, and hardware prefetching stops at each page. */
        if (j * FC_BYTES % 64 == 0) FC_PREFETCH(weights + (16 * vectors + j) * VL);
        weight[j] = load(weights + j * VL);
    }
    FC_UNROLL for (int t = 0; t < tiles; t++) {
        const vec x = broadcast(points[t * VL]);
        FC_UNROLL for (int j = 0; j < vectors; j++) sums[t][j] += x * weight[j];
    }
}

FC_INLINE void point_body(ptrdiff_t depth, const int vectors, const int tiles, const real *points, ptrdiff_t block_stride,
                          const real *weights, int accumulate, real *products) {
    vec sums[CHANNEL_PIXELS_1][2];
    FC_UNROLL for (int t = 0; t < tiles; t++)
        FC_UNROLL for (int j = 0; j < vectors; j++)
            sums[t][j] = accumulate ? load(products + (t * vectors + j) * VL) : broadcast(0);
    for (; depth > 0; depth -= VL, points += block_stride) {
        const ptrdiff_t here = depth < VL ? depth : VL;
        ptrdiff_t k = 0;
        if (AT_ONCE > 1 && tiles == CHANNEL_PIXELS_2 && vectors == 2)
            for (; k + AT_ONCE <= here; k += AT_ONCE, weights += AT_ONCE * vectors * VL)
                FC_UNROLL for (int n = 0; n < AT_ONCE; n++) add_products(vectors, tiles, points + k + n, weights + n * vectors * VL, sums);
        for (; k < here; k++, weights += vectors * VL) add_products(vectors, tiles, points + k, weights, sums);
    }
    FC_UNROLL for (int t = 0; t < tiles; t++)
        FC_UNROLL for (int j = 0; j < vectors; j++) store(products + (t * vectors + j) * VL, sums[t][j]);
}

typedef void sized(ptrdiff_t, const real *, ptrdiff_t, const real *, int, real *);
#define SIZE(vectors, tiles)                                                                                              \
    static void points_##vectors##x##tiles(ptrdiff_t depth, const real *points, ptrdiff_t block_stride,                  \
                                           const real *weights, int accumulate, real *products) {                        \
        point_body(depth, vectors, tiles, points, block_stride, weights, accumulate, products);                          \
    }
#define ENTRY(vectors, tiles) points_##vectors##x##tiles,
CHANNEL_SIZES(SIZE)
static sized *const SIZED[CHANNEL_PIXELS_1 + CHANNEL_PIXELS_2] = {CHANNEL_SIZES(ENTRY)};

/* products[t][j] (+)= sum over k, in order, of points[k / lanes * block_stride + t * lanes + k % lanes] * weights[k][j], where t is a
 * tile and j one of `vectors` vectors of output channels. */
void FC_NAME(point_tile)(ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t tiles, const void *points, ptrdiff_t block_stride,
                         const void *weights, int accumulate, void *products) {
    SIZED[(vectors - 1) * CHANNEL_PIXELS_1 + tiles - 1](depth, points, block_stride, weights, accumulate, products);
}
#endif
