/* Packing and moving: the transposes and copies that bring operands into the order in which a tile reads them. */
#include "vector.h"

/* packed[k * width + i] = source[i * row_stride + k] for i < rows; zero for rows <= i < width. */
void FC_NAME(pack_rows)(ptrdiff_t depth, ptrdiff_t rows, ptrdiff_t width, const void *source, ptrdiff_t row_stride, void *packed) {
    const real *from = source;
    real *to = packed;
    if (rows == 8 && width == 8) {
        for (ptrdiff_t k = 0; k < depth; k++)
            FC_UNROLL for (int i = 0; i < 8; i++) to[k * 8 + i] = from[i * row_stride + k];
        return;
    }
    for (ptrdiff_t i0 = 0; i0 < width; i0 += 8) { /* eight source rows at a time: each is a stream of its own */
        const ptrdiff_t end = i0 + 8 < width ? i0 + 8 : width;
        for (ptrdiff_t k = 0; k < depth; k++)
            for (ptrdiff_t i = i0; i < end; i++) to[k * width + i] = i < rows ? from[i * row_stride + k] : 0;
    }
}

/* packed[k * width + i] = source[i * row_stride + offsets[k]] for i < rows; zero for rows <= i < width. */
void FC_NAME(pack_gather)(ptrdiff_t depth, ptrdiff_t rows, ptrdiff_t width, const void *source, ptrdiff_t row_stride,
                          const ptrdiff_t *offsets, void *packed) {
    const real *from = source;
    real *to = packed;
    for (ptrdiff_t k = 0; k < depth; k++, to += width) {
        const real *tap = from + offsets[k];
        if (row_stride == 1) memcpy(to, tap, (size_t)rows * sizeof(real));
        else for (ptrdiff_t i = 0; i < rows; i++) to[i] = tap[i * row_stride];
        for (ptrdiff_t i = rows; i < width; i++) to[i] = 0;
    }
}

/* The column matrix of one panel: row k is the pixels shifted by offsets[k]. Whole vectors are copied: what a segment writes
 * beyond its end is overwritten by the next one, and panel and slab have a vector to spare behind them. */
void FC_NAME(pack_panel)(ptrdiff_t depth, ptrdiff_t width, const void *slab, const ptrdiff_t *offsets, ptrdiff_t segments,
                         const fc_segment *segment, void *panel) {
    real *to = panel;
    for (ptrdiff_t k = 0; k < depth; k++, to += width) {
        const real *from = (const real *)slab + offsets[k];
        for (ptrdiff_t s = 0; s < segments; s++)
            for (ptrdiff_t i = 0; i < segment[s].length; i += VL)
                store(to + segment[s].target + i, load(from + segment[s].source + i));
    }
}

FC_INLINE void move_strided(ptrdiff_t count, const real *from, ptrdiff_t from_step, real *to, ptrdiff_t to_step, const int add) {
    if (from_step == 1 && to_step == 1 && !add) {
        memcpy(to, from, (size_t)count * sizeof(real));
    } else if (from_step == 1 && to_step == 1) {
        for (ptrdiff_t i = 0; i < count; i++) to[i] += from[i];
    } else if (from_step == 2 && to_step == 1) {
        for (ptrdiff_t i = 0; i < count; i++) to[i] = add ? to[i] + from[2 * i] : from[2 * i];
    } else {
        for (ptrdiff_t i = 0; i < count; i++)
            to[i * to_step] = add ? to[i * to_step] + from[i * from_step] : from[i * from_step];
    }
}

void FC_NAME(copy_strided)(ptrdiff_t count, const void *source, ptrdiff_t source_step, void *target, ptrdiff_t target_step) {
    move_strided(count, source, source_step, target, target_step, 0);
}

void FC_NAME(add_strided)(ptrdiff_t count, const void *source, ptrdiff_t source_step, void *target, ptrdiff_t target_step) {
    move_strided(count, source, source_step, target, target_step, 1);
}

void FC_NAME(fill)(ptrdiff_t count, double value, void *target) {
    const real x = (real)value;
    for (ptrdiff_t i = 0; i < count; i++) ((real *)target)[i] = x;
}
