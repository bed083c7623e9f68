/* The register tile of every correlation: output channels by vectors of output pixels (see fc_tile in registry.h).
 *
 * The source vectors come through a table of offsets, one a tap, so that the same tile reads a packed panel, a padded copy of
 * some rows, or the image itself. Each size is a function of its own: its loops unroll whole and its accumulators stay in registers.
 */
#include "vector.h"
#include "tiles.h"

FC_INLINE void tile_body(const fc_tile *t, const int rows, const int vectors) {
    vec sums[TILE_ROWS][TILE_VECTORS];
    const real *weights = t->weights;
    const ptrdiff_t *offsets = t->offsets;
    const real *source[TILE_VECTORS];
    FC_UNROLL for (int j = 0; j < vectors; j++) source[j] = t->source[j];

    if (t->accumulate) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++)
                sums[i][j] = load((const real *)t->output[j] + i * t->output_row);
    } else if (t->bias) {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = broadcast(((const real *)t->bias)[i]);
    } else {
        FC_UNROLL for (int i = 0; i < rows; i++)
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = broadcast(0);
    }
    for (ptrdiff_t k = t->depth; k > 0; k--) {
        const ptrdiff_t offset = *offsets++;
        vec pixels[TILE_VECTORS];
        FC_UNROLL for (int j = 0; j < vectors; j++) pixels[j] = load(source[j] + offset);
        FC_UNROLL for (int i = 0; i < rows; i++) {
            const vec weight = broadcast(weights[i]);
            FC_UNROLL for (int j = 0; j < vectors; j++) sums[i][j] += weight * pixels[j];
        }
        FC_PREFETCH(weights + 96 * TILE_ROWS); /* weights stream, and hardware prefetching stops at each page */
        weights += TILE_ROWS;
    }
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int j = 0; j < vectors; j++) store((real *)t->output[j] + i * t->output_row, sums[i][j]);
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
#endif

static void (*const SIZED[TILE_ROWS][TILE_VECTORS])(const fc_tile *) = {
    ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4)
#if FC_REGISTERS == 32
    ENTRY(5) ENTRY(6) ENTRY(7) ENTRY(8)
#endif
};

void FC_NAME(correlate_tile)(const fc_tile *tile, ptrdiff_t rows, ptrdiff_t vectors) {
    int whole = 1;
    for (ptrdiff_t j = 0; j < vectors; j++) whole &= tile->count[j] == VL;
    if (whole) {
        SIZED[rows - 1][vectors - 1](tile);
        return;
    }
    /* An edge: compute the whole tile into a copy and keep the lanes that exist. */
    real copy[TILE_ROWS * TILE_VECTORS * (FC_BYTES / sizeof(real))];
    fc_tile edge = *tile;
    edge.output_row = vectors * VL;
    for (ptrdiff_t j = 0; j < vectors; j++) {
        edge.output[j] = copy + j * VL;
        if (tile->accumulate)
            for (ptrdiff_t i = 0; i < rows; i++)
                store(copy + (i * vectors + j) * VL,
                      load_part((const real *)tile->output[j] + i * tile->output_row, tile->count[j]));
    }
    SIZED[rows - 1][vectors - 1](&edge);
    for (ptrdiff_t j = 0; j < vectors; j++)
        for (ptrdiff_t i = 0; i < rows; i++)
            memcpy((real *)tile->output[j] + i * tile->output_row, copy + (i * vectors + j) * VL,
                   (size_t)tile->count[j] * sizeof(real));
}
