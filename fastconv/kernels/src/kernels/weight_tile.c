/* The register tile of a weight gradient: output channels by taps, with the pixels in the lanes.
 *
 * sums[i * sums_row + j] (a vector each) += gradient row i times the slab shifted by offsets[j], over `length` pixels, a multiple of
 * the vector. The lanes are added up once, at the very end, by weight_sums.
 */
#include "shuffle.h"
#include "tiles.h"

FC_INLINE void weight_body(ptrdiff_t length, const int rows, const int columns, const real *gradient, ptrdiff_t gradient_row,
                           const real *slab, const ptrdiff_t *offsets, real *sums, ptrdiff_t sums_row) {
    vec total[WEIGHT_ROWS][WEIGHT_COLUMNS];
    const real *taps[WEIGHT_COLUMNS];
    FC_UNROLL for (int j = 0; j < columns; j++) taps[j] = slab + offsets[j];
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int j = 0; j < columns; j++) total[i][j] = load(sums + (i * sums_row + j) * VL);
    for (ptrdiff_t p = 0; p < length; p += VL) {
        vec pixels[WEIGHT_ROWS];
        FC_UNROLL for (int i = 0; i < rows; i++) pixels[i] = load(gradient + i * gradient_row + p);
        FC_UNROLL for (int j = 0; j < columns; j++) {
            const vec tap = load(taps[j] + p);
            FC_UNROLL for (int i = 0; i < rows; i++) total[i][j] += pixels[i] * tap;
        }
    }
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int j = 0; j < columns; j++) store(sums + (i * sums_row + j) * VL, total[i][j]);
}

typedef void sized(ptrdiff_t, const real *, ptrdiff_t, const real *, const ptrdiff_t *, real *, ptrdiff_t);
#define SIZE(rows, columns)                                                                                            \
    static void weight_##rows##x##columns(ptrdiff_t length, const real *gradient, ptrdiff_t gradient_row,              \
                                          const real *slab, const ptrdiff_t *offsets, real *sums, ptrdiff_t sums_row) { \
        weight_body(length, rows, columns, gradient, gradient_row, slab, offsets, sums, sums_row);                     \
    }
#if FC_REGISTERS == 32
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 3) SIZE(rows, 4) SIZE(rows, 5) SIZE(rows, 6)
#define ENTRY(rows) {weight_##rows##x1, weight_##rows##x2, weight_##rows##x3, weight_##rows##x4, weight_##rows##x5, weight_##rows##x6},
SIZES(1) SIZES(2) SIZES(3) SIZES(4)
static sized *const SIZED[WEIGHT_ROWS][WEIGHT_COLUMNS] = {ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4)};
#else
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 3) SIZE(rows, 4)
#define ENTRY(rows) {weight_##rows##x1, weight_##rows##x2, weight_##rows##x3, weight_##rows##x4},
SIZES(1) SIZES(2) SIZES(3)
static sized *const SIZED[WEIGHT_ROWS][WEIGHT_COLUMNS] = {ENTRY(1) ENTRY(2) ENTRY(3)};
#endif

void FC_NAME(weight_tile)(ptrdiff_t length, ptrdiff_t rows, ptrdiff_t columns, const void *gradient, ptrdiff_t gradient_row,
                          const void *slab, const ptrdiff_t *offsets, void *sums, ptrdiff_t sums_row) {
    SIZED[rows - 1][columns - 1](length, gradient, gradient_row, slab, offsets, sums, sums_row);
}

void FC_NAME(weight_sums)(ptrdiff_t count, const void *sums, void *weight) {
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t here = count - i < VL ? count - i : VL;
        vec lanes[FC_VECTORS ? FC_BYTES / sizeof(real) : 1];
        for (ptrdiff_t j = 0; j < VL; j++) lanes[j] = j < here ? load((const real *)sums + (i + j) * VL) : broadcast(0);
        store_part((real *)weight + i, sum_lanes(lanes), here);
    }
}
