/* Packing and moving: the transposes and copies that bring operands into the order in which a tile reads them. */
#include "shuffle.h"
#include "tiles.h"
#include "transpose.h"

/* packed[k * width + i] = source[i * row_stride + k] for i < rows; zero for rows <= i < width. */
void FC_NAME(pack_rows)(ptrdiff_t depth, ptrdiff_t rows, ptrdiff_t width, const void *source, ptrdiff_t row_stride, void *packed) {
    for (ptrdiff_t i0 = 0; i0 < width; i0 += SIDE) { /* a few source rows at a time: each is a stream of its own */
        const real *from = (const real *)source + i0 * row_stride;
        real *to = (real *)packed + i0;
        ptrdiff_t k = 0;
        if (i0 + SIDE <= rows && depth >= SIDE) {
            for (; k + SIDE <= depth; k += SIDE) transpose(from + k, row_stride, to + k * width, width);
            if (k < depth) transpose(from + depth - SIDE, row_stride, to + (depth - SIDE) * width, width); /* some a second time */
            continue;
        }
        for (; k < depth; k++)
            for (ptrdiff_t i = 0; i < SIDE && i0 + i < width; i++) to[k * width + i] = i0 + i < rows ? from[i * row_stride + k] : 0;
    }
}

/* packed[k * width + i] = source[i * row_stride + offsets[k]] for i < rows; zero for rows <= i < width. */
void FC_NAME(pack_gather)(ptrdiff_t depth, ptrdiff_t rows, ptrdiff_t width, const void *source, ptrdiff_t row_stride,
                          const ptrdiff_t *offsets, void *packed) {
    const real *from = source;
    real *to = packed;
    for (ptrdiff_t k = 0; k < depth; k++, to += width) {
        const real *tap = from + offsets[k];
        if (row_stride == 1 && rows == TILE_ROWS) memcpy(to, tap, TILE_ROWS * sizeof(real));
        else if (row_stride == 1) memcpy(to, tap, (size_t)rows * sizeof(real));
        else for (ptrdiff_t i = 0; i < rows; i++) to[i] = tap[i * row_stride];
        for (ptrdiff_t i = rows; i < width; i++) to[i] = 0;
    }
}

/* The rows of a matrix, `count` elements that lie together, in blocks of `width` columns: packed[(i / width * depth + k) * width + i % width] =
 * source[k * row_stride + i], zero for what is beyond count. The width is a tile's: its rows, or its vectors. */
void FC_NAME(pack_lines)(ptrdiff_t depth, ptrdiff_t count, ptrdiff_t width, const void *source, ptrdiff_t row_stride, void *packed) {
    const real *from = source;
    for (ptrdiff_t k = 0; k < depth; k++, from += row_stride) {
        real *to = (real *)packed + k * width;
        ptrdiff_t i = 0;
        if (width == TILE_ROWS)
            for (; i + TILE_ROWS <= count; i += TILE_ROWS, to += depth * width) memcpy(to, from + i, TILE_ROWS * sizeof(real));
        else
            for (; i + width <= count; i += width, to += depth * width)
                for (ptrdiff_t j = 0; j < width; j += VL) store(to + j, load(from + i + j));
        if (i < count)
            for (ptrdiff_t j = 0; j < width; j++) to[j] = i + j < count ? from[i + j] : 0;
    }
}

/* One segment of all rows of a panel: whole vectors, but for the last one where nothing comes behind it. */
FC_INLINE void copy_segment(const int vectors, ptrdiff_t depth, ptrdiff_t width, const real *from, const ptrdiff_t *offsets, real *to,
                            ptrdiff_t last) {
    for (ptrdiff_t k = 0; k < depth; k++, to += width) {
        FC_UNROLL for (int i = 0; i < vectors - 1; i++) store(to + i * VL, load(from + offsets[k] + i * VL));
        const vec end = load(from + offsets[k] + (vectors - 1) * VL);
        if (last == VL) store(to + (vectors - 1) * VL, end);
        else store_part(to + (vectors - 1) * VL, end, last);
    }
}

/* The column matrix of one panel: row k is the pixels shifted by offsets[k]. What a segment writes beyond its end is overwritten by the
 * next one; the slab has a vector to spare behind it. */
void FC_NAME(pack_panel)(ptrdiff_t depth, ptrdiff_t width, const void *slab, const ptrdiff_t *offsets, ptrdiff_t segments,
                         const fc_segment *segment, void *panel) {
    for (ptrdiff_t s = 0; s < segments; s++) {
        const real *from = (const real *)slab + segment[s].source;
        real *to = (real *)panel + segment[s].target;
        for (ptrdiff_t left = segment[s].length; left > 0; left -= 3 * VL, from += 3 * VL, to += 3 * VL) {
            /* The lanes of the last vector that are written: none behind the row of the panel, none that no segment writes again. */
            const ptrdiff_t inside = width - (segment[s].target + (segment[s].length - 1) / VL * VL);
            const ptrdiff_t end = s + 1 < segments ? (inside < VL ? inside : VL) : (segment[s].length - 1) % VL + 1;
            if (left > 2 * VL) copy_segment(3, depth, width, from, offsets, to, left >= 3 * VL ? VL : end);
            else if (left > VL) copy_segment(2, depth, width, from, offsets, to, end);
            else copy_segment(1, depth, width, from, offsets, to, end);
        }
    }
}

/* packed[(r * pixels + p) * width + t] = slab[offsets[t] + r * pitch + p] for r < rows, p < pixels and t < taps; zero for t >= taps. */
void FC_NAME(pack_taps)(ptrdiff_t rows, ptrdiff_t pixels, ptrdiff_t pitch, ptrdiff_t taps, ptrdiff_t width, const void *slab,
                        const ptrdiff_t *offsets, void *packed) {
    for (ptrdiff_t t = 0; t < width; t += SIDE) {
        const ptrdiff_t here = taps - t < SIDE ? taps - t : SIDE;
        const real *from = slab;
        real *to = (real *)packed + t;
        if (here == SIDE && pixels >= SIDE) {
            for (ptrdiff_t r = 0; r < rows; r++, from += pitch, to += pixels * width)
                for (ptrdiff_t p = 0; p < pixels; p += SIDE) {
                    const ptrdiff_t at = p + SIDE <= pixels ? p : pixels - SIDE; /* the last square covers some a second time */
                    const real *lines[SIDE];
                    FC_UNROLL for (int i = 0; i < SIDE; i++) lines[i] = from + offsets[t + i] + at;
                    transpose_lines(lines, to + at * width, width);
                }
            continue;
        }
        for (ptrdiff_t r = 0; r < rows; r++, from += pitch)
            for (ptrdiff_t p = 0; p < pixels; p++, to += width)
                for (ptrdiff_t i = 0; i < SIDE && t + i < width; i++) to[i] = i < here ? from[offsets[t + i] + p] : 0;
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

FC_INLINE void put_woven(int add, ptrdiff_t count, vec v, real *to) {
    if (count > VL) count = VL;
    store_part(to, add ? load_part(to, count) + v : v, count);
}

/* target[2 i] = first[i] and target[2 i + 1] = second[i], `count` elements in all; `add`: to what is there. */
void FC_NAME(weave)(ptrdiff_t count, const void *first, const void *second, int add, void *target) {
    const real *a = first, *b = second;
    real *to = target;
    ptrdiff_t i = 0;
    for (; 2 * i + 2 * VL <= count; i += VL) {
        const vec even = load(a + i), odd = load(b + i), low = lows(even, odd), high = highs(even, odd);
        store(to + 2 * i, add ? load(to + 2 * i) + low : low);
        store(to + 2 * i + VL, add ? load(to + 2 * i + VL) + high : high);
    }
    const ptrdiff_t left = count - 2 * i;
    if (left > 0) {
        const vec even = load_part(a + i, (left + 1) / 2), odd = load_part(b + i, left / 2);
        put_woven(add, left, lows(even, odd), to + 2 * i);
        if (left > VL) put_woven(add, left - VL, highs(even, odd), to + 2 * i + VL);
    }
}

void FC_NAME(fill)(ptrdiff_t count, double value, void *target) {
    const real x = (real)value;
    for (ptrdiff_t i = 0; i < count; i++) ((real *)target)[i] = x;
}

/* A vector of a padded row, whose lanes first <= lane < stop come from the source: that of lane 0 would lie at p. */
FC_INLINE vec padded(const int step, ptrdiff_t first, ptrdiff_t stop, real filler, const real *p) {
    if (step == 1) return load_between(p, clamp_lane(first), clamp_lane(stop), filler);
    const ptrdiff_t low = 2 * first, high = stop > first ? 2 * stop - 1 : low; /* the last element that is read has to be there */
    return evens(load_between(p, clamp_lane(low), clamp_lane(high), filler),
                 load_between(p + VL, clamp_lane(low - VL), clamp_lane(high - VL), filler));
}

/* The vector in which the source begins and the one in which it ends are alike in all rows. */
FC_INLINE void pad_rows_body(const int step, ptrdiff_t rows, ptrdiff_t low, ptrdiff_t count, ptrdiff_t pitch, real filler, const real *from,
                             ptrdiff_t source_row, real *to) {
    const ptrdiff_t begin = low / VL * VL, whole = (low + count - (step == 2)) / VL * VL, end = whole > begin + VL ? whole : begin + VL;
    for (; rows > 0; rows--, from += source_row, to += pitch) {
        const ptrdiff_t room = rows * pitch; /* what a vector writes beyond its row is written again by the next ones */
        ptrdiff_t at = 0;
        for (; at < begin; at += VL) store_up_to(to + at, broadcast(filler), room - at);
        if (at < pitch) store_up_to(to + at, padded(step, low - begin, low + count - begin, filler, from + (begin - low) * step), room - at);
        for (at += VL; at < end; at += VL) {
            const real *p = from + (at - low) * step;
            store_up_to(to + at, step == 1 ? load(p) : evens(load(p), load(p + VL)), room - at);
        }
        if (at < pitch) store_up_to(to + at, padded(step, low - end, low + count - end, filler, from + (end - low) * step), room - at);
        for (at += VL; at < pitch; at += VL) store_up_to(to + at, broadcast(filler), room - at);
    }
}

/* `rows` rows of `pitch` elements: `low` fillers, `count` elements of the source `step` apart, fillers to the end. */
void FC_NAME(pad_rows)(ptrdiff_t rows, ptrdiff_t low, ptrdiff_t count, ptrdiff_t pitch, double filler, const void *source,
                       ptrdiff_t source_row, ptrdiff_t step, void *target) {
    const real fill = (real)filler, *from = source;
    real *to = target;
    if (step == 1) {
        pad_rows_body(1, rows, low, count, pitch, fill, from, source_row, to);
        return;
    }
    if (step == 2 && FC_VECTORS) {
        pad_rows_body(2, rows, low, count, pitch, fill, from, source_row, to);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r++, from += source_row, to += pitch) {
        ptrdiff_t i = 0;
        for (ptrdiff_t j = 0; j < low; j++) to[j] = fill;
        if (step == 4 && VL >= 4)
            for (; i + VL < count; i += VL)
                store(to + low + i, evens(evens(load(from + 4 * i), load(from + 4 * i + VL)),
                                          evens(load(from + 4 * i + 2 * VL), load_part(from + 4 * i + 3 * VL, VL >= 4 ? VL - 3 : 0))));
        for (; i < count; i++) to[low + i] = from[i * step];
        for (ptrdiff_t j = low + count; j < pitch; j++) to[j] = fill;
    }
}

/* target[i * step] += scale * source[i]. */
void FC_NAME(add_scaled)(ptrdiff_t count, const void *scale, const void *source, void *target, ptrdiff_t step) {
    const real factor = *(const real *)scale, *from = source;
    real *to = target;
    if (step == 1) for (ptrdiff_t i = 0; i < count; i++) to[i] += factor * from[i];
    else for (ptrdiff_t i = 0; i < count; i++) to[i * step] += factor * from[i];
}
