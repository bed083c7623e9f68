/* The register tiles of locally connected layers: output pixels in the lanes, each with weights of its own (see fc_local in registry.h).
 *
 * Nothing is shared between pixels, so every operand is a vector: a weight is read once and serves all images, a source pixel serves
 * all rows. Sums lie in memory between tiles, and are added to in the order of the terms. */
#include "vector.h"
#include "tiles.h"

FC_INLINE vec load_some(const int whole, const real *p, ptrdiff_t count) { return whole ? load(p) : load_part(p, count); }
FC_INLINE void store_some(const int whole, real *p, vec v, ptrdiff_t count) {
    if (whole) store(p, v);
    else store_part(p, v, count);
}

FC_INLINE void add_products(const int rows, const int taps, const int whole, const fc_local *tile, ptrdiff_t p) {
    const ptrdiff_t left = tile->count - p, start_row = tile->start_row, sums_row = tile->sums_row;
    const real *from = (const real *)tile->source + p, *source[LOCAL_TAPS], *start = (const real *)tile->start + p;
    real *sums = (real *)tile->sums + p;
    vec weight[LOCAL_ROWS][LOCAL_TAPS];
    FC_UNROLL for (int t = 0; t < taps; t++) source[t] = from + tile->offsets[t];
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int t = 0; t < taps; t++)
            weight[i][t] = load_some(whole, (const real *)tile->weights + i * tile->weights_row + t * tile->weights_tap + p, left);
    for (ptrdiff_t n = 0, at = 0; n < tile->images; n++, at += tile->source_image) {
        vec pixels[LOCAL_TAPS];
        FC_UNROLL for (int t = 0; t < taps; t++) pixels[t] = load_some(whole, source[t] + at, left);
        FC_UNROLL for (int i = 0; i < rows; i++) {
            vec sum = load_some(whole, start + i * start_row, left);
            FC_UNROLL for (int t = 0; t < taps; t++) sum += weight[i][t] * pixels[t];
            store_some(whole, sums + i * sums_row, sum, left);
        }
        start += tile->start_image;
        sums += tile->sums_image;
    }
}

FC_INLINE void sum_products(const int rows, const int taps, const int whole, const fc_local *tile, int accumulate, ptrdiff_t p) {
    const ptrdiff_t left = tile->count - p, sums_row = tile->sums_row;
    const real *from = (const real *)tile->source + p, *gradient = (const real *)tile->sums + p, *source[LOCAL_TAPS];
    vec weight[LOCAL_ROWS][LOCAL_TAPS];
#define PLACE(i, t) ((real *)tile->weights + (i) * tile->weights_row + (t) * tile->weights_tap + p)
    FC_UNROLL for (int t = 0; t < taps; t++) source[t] = from + tile->offsets[t];
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int t = 0; t < taps; t++) weight[i][t] = accumulate ? load_some(whole, PLACE(i, t), left) : broadcast(0);
    for (ptrdiff_t n = 0, at = 0; n < tile->images; n++, at += tile->source_image, gradient += tile->sums_image) {
        vec pixels[LOCAL_TAPS];
        FC_UNROLL for (int t = 0; t < taps; t++) pixels[t] = load_some(whole, source[t] + at, left);
        FC_UNROLL for (int i = 0; i < rows; i++) {
            const vec g = load_some(whole, gradient + i * sums_row, left);
            FC_UNROLL for (int t = 0; t < taps; t++) weight[i][t] += g * pixels[t];
        }
    }
    FC_UNROLL for (int i = 0; i < rows; i++)
        FC_UNROLL for (int t = 0; t < taps; t++) store_some(whole, PLACE(i, t), weight[i][t], left);
#undef PLACE
}

#define SIZE(rows, taps)                                                                         \
    static void add_##rows##x##taps(const fc_local *tile) {                                      \
        ptrdiff_t p = 0;                                                                         \
        for (; p + VL <= tile->count; p += VL) add_products(rows, taps, 1, tile, p);             \
        if (p < tile->count) add_products(rows, taps, 0, tile, p);                               \
    }                                                                                            \
    static void sum_##rows##x##taps(const fc_local *tile, int accumulate) {                      \
        ptrdiff_t p = 0;                                                                         \
        for (; p + VL <= tile->count; p += VL) sum_products(rows, taps, 1, tile, accumulate, p); \
        if (p < tile->count) sum_products(rows, taps, 0, tile, accumulate, p);                   \
    }
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 3) SIZE(rows, 4)
#define ENTRY(name, rows) {name##_##rows##x1, name##_##rows##x2, name##_##rows##x3, name##_##rows##x4},
SIZES(1) SIZES(2)
#if FC_REGISTERS == 32
SIZES(3) SIZES(4)
#define ENTRIES(name) ENTRY(name, 1) ENTRY(name, 2) ENTRY(name, 3) ENTRY(name, 4)
#else
#define ENTRIES(name) ENTRY(name, 1) ENTRY(name, 2)
#endif
static void (*const ADD[LOCAL_ROWS][LOCAL_TAPS])(const fc_local *) = {ENTRIES(add)};
static void (*const SUM[LOCAL_ROWS][LOCAL_TAPS])(const fc_local *, int) = {ENTRIES(sum)};

/* sums = start + weights * source, term by term. */
void FC_NAME(local_tile)(const fc_local *tile, ptrdiff_t rows, ptrdiff_t taps) { ADD[rows - 1][taps - 1](tile); }

/* weights = (accumulate: what they hold, else zero) + sums * source, image by image; here `sums` is the gradient. */
void FC_NAME(local_weights)(const fc_local *tile, ptrdiff_t rows, ptrdiff_t taps, int accumulate) {
    SUM[rows - 1][taps - 1](tile, accumulate);
}
