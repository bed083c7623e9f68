/* The register tile of every correlation: output channels by vectors of output pixels (see fc_tile in registry.h).
 *
 * The source vectors come through a table of offsets, one a tap, so that the same tile reads a packed panel, a padded copy of
 * some rows, or the image itself. Each size is a function of its own: its loops unroll whole and its accumulators stay in registers.
 */
#include "vector.h"
#include "tiles.h"

FC_INLINE void add_products(const int rows, const int vectors, const vec *pixels, const real *weights, vec (*sums)[TILE_VECTORS]) {
    FC_UNROLL for (int i = 0; i < rows; i++) {
        const vec weight = broadcast(weights[i]);
        FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] += weight * pixels[j];
    }
}

FC_INLINE void tile_body(const fc_tile *t, const int rows, const int vectors) {
    vec sums[RUN_ROWS_1][TILE_VECTORS];
    const real *weights = t->weights;
    const ptrdiff_t *offsets = t->offsets;
    const ptrdiff_t weights_step = t->weights_step;
    const real *source[TILE_VECTORS];
    FC_UNROLL for (int j = 0; j < vectors; j++) source[j] = t->source[j];

    int whole = 1;
    FC_UNROLL for (int j = 0; j < vectors; j++) whole &= t->count[j] == VL;

#define PLACE(i, j) ((real *)t->output[j] + (i) * t->output_row)
    if (t->accumulate && whole) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) {
                sums[i][j] = load(PLACE(i, j));
                if (FC_REGISTERS == 16) FC_PREFETCH(PLACE(i + TILE_ROWS, j)); /* short, and the next tile would wait for them */
            }
    } else if (t->accumulate) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = load_part(PLACE(i, j), t->count[j]);
    } else if (t->bias) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = broadcast(((const real *)t->bias)[i]);
    } else {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = broadcast(0);
    }
    ptrdiff_t k = t->depth;
    if (AT_ONCE > 1 && rows == TILE_ROWS && vectors == TILE_VECTORS && t->packed) {
        const real *panel = source[0];
        offsets += k - k % AT_ONCE;
        for (; k >= AT_ONCE; k -= AT_ONCE, panel += AT_ONCE * TILE_VECTORS * VL, weights += AT_ONCE * TILE_ROWS) {
            FC_UNROLL for (int n = 0; n < AT_ONCE; n++) {
                vec pixels[TILE_VECTORS];
                FC_UNROLL for (int j = 0; j < vectors; j++) pixels[j] = load(panel + (n * TILE_VECTORS + j) * VL);
                add_products(rows, vectors, pixels, weights + n * TILE_ROWS, sums);
            }
            FC_PREFETCH(weights + 96 * TILE_ROWS);
        }
    }
    for (; k > 0; k--, weights += weights_step) {
        const ptrdiff_t offset = *offsets++;
        vec pixels[TILE_VECTORS];
        FC_UNROLL for (int j = 0; j < vectors; j++) pixels[j] = load(source[j] + offset);
        add_products(rows, vectors, pixels, weights, sums);
        FC_PREFETCH(weights + 96 * TILE_ROWS); /* weights stream, and hardware prefetching stops at each page */
    }
    if (t->relu)
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = rectify(sums[i][j]);
    if (whole) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) store(PLACE(i, j), sums[i][j]);
    } else {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) store_part(PLACE(i, j), sums[i][j], t->count[j]);
    }
#undef PLACE
}

#define SIZE(rows, vectors) \
    static void tile_##rows##x##vectors(const fc_tile *t) { tile_body(t, rows, vectors); }
#if FC_REGISTERS == 32 || defined(__FMA__)
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 3)
#define ENTRY(rows) {tile_##rows##x1, tile_##rows##x2, tile_##rows##x3},
#else
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2)
#define ENTRY(rows) {tile_##rows##x1, tile_##rows##x2},
#endif
SIZES(1) SIZES(2) SIZES(3) SIZES(4)
#if FC_REGISTERS == 32
SIZES(5) SIZES(6) SIZES(7) SIZES(8)
#elif defined(__FMA__)
SIZE(5, 1) SIZE(5, 2) SIZE(6, 1) SIZE(6, 2)
SIZE(7, 1) SIZE(8, 1) SIZE(9, 1) SIZE(10, 1) SIZE(11, 1) SIZE(12, 1)
#endif

static void (*const SIZED[RUN_ROWS_1][TILE_VECTORS])(const fc_tile *) = {
    ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4)
#if FC_REGISTERS == 32
    ENTRY(5) ENTRY(6) ENTRY(7) ENTRY(8)
#elif defined(__FMA__)
    {tile_5x1, tile_5x2}, {tile_6x1, tile_6x2}, {tile_7x1}, {tile_8x1}, {tile_9x1}, {tile_10x1}, {tile_11x1}, {tile_12x1},
#endif
};

void FC_NAME(correlate_tile)(const fc_tile *tile, ptrdiff_t rows, ptrdiff_t vectors) {
    SIZED[rows - 1][vectors - 1](tile);
}

/* A row of pixels that fill a vector each (images are in the lanes), `source_step` and `output_step` elements apart. */
void FC_NAME(correlate_run)(fc_tile *tile, ptrdiff_t rows, ptrdiff_t pixels, ptrdiff_t source_step, ptrdiff_t output_step) {
    const real *source = tile->source[0];
    real *output = tile->output[0];
    const ptrdiff_t most = rows <= TILE_ROWS ? TILE_VECTORS : rows <= RUN_ROWS_2 ? 2 : 1;
    for (ptrdiff_t parts = (pixels + most - 1) / most; parts > 0; parts--) {
        const ptrdiff_t vectors = (pixels + parts - 1) / parts; /* parts of one size: a short last one would starve */
        for (ptrdiff_t j = 0; j < vectors; j++, source += source_step, output += output_step)
            tile->source[j] = source, tile->output[j] = output, tile->count[j] = VL;
        SIZED[rows - 1][vectors - 1](tile);
        pixels -= vectors;
    }
}
