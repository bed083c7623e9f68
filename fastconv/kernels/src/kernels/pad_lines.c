/* Padding: lines of an image with something on both sides, and the gradient of that. */
#include "vector.h"

FC_INLINE void copy_line(real *to, const real *from, ptrdiff_t count) {
    ptrdiff_t i = 0;
    for (; i + VL <= count; i += VL) store(to + i, load(from + i));
    if (i < count) store_part(to + i, load_part(from + i, count - i), count - i);
}

/* `rows` lines of `width`, one after the other: `low` elements, `count` of the source from `from` on, and elements up to the end.
 * The first line of the source starts at `start`, the others `step` further each; where start is negative, all is `filler`. The elements
 * at the sides are those of the source's line that `sides` names, first those of the low side; without sides (NULL) they are `filler`. */
void FC_NAME(pad_lines)(ptrdiff_t rows, ptrdiff_t start, ptrdiff_t step, ptrdiff_t low, ptrdiff_t from, ptrdiff_t count, ptrdiff_t width,
                        const ptrdiff_t *sides, double filler, const void *source, void *target) {
    const real fill = (real)filler;
    real *to = target;
    if (start < 0) {
        for (ptrdiff_t i = 0; i < rows * width; i++) to[i] = fill;
        return;
    }
    if (count == width) { /* nothing at the sides: to ask so for each line takes as long as some of the copying */
        for (ptrdiff_t r = 0; r < rows; r++) copy_line(to + r * width, (const real *)source + (start + r * step + from), width);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r++, to += width) {
        const real *line = (const real *)source + (start + r * step);
        copy_line(to + low, line + from, count);
        if (sides) {
            for (ptrdiff_t i = 0; i < low; i++) to[i] = line[sides[i]];
            for (ptrdiff_t i = low + count; i < width; i++) to[i] = line[sides[i - count]];
        } else {
            for (ptrdiff_t i = 0; i < low; i++) to[i] = fill;
            for (ptrdiff_t i = low + count; i < width; i++) to[i] = fill;
        }
    }
}

/* The gradient of a line of `length` from that of the padded line: the elements that were copied, and those at the sides added to where
 * they came from. `add`: to what the target holds. */
void FC_NAME(pad_gradient)(int add, ptrdiff_t low, ptrdiff_t from, ptrdiff_t count, ptrdiff_t width, const ptrdiff_t *sides,
                           ptrdiff_t length, const void *gradient, void *target) {
    const real *g = gradient;
    real *to = target;
    if (add) {
        for (ptrdiff_t i = 0; i < count; i++) to[from + i] += g[low + i];
    } else {
        for (ptrdiff_t i = 0; i < from; i++) to[i] = 0;
        copy_line(to + from, g + low, count);
        for (ptrdiff_t i = from + count; i < length; i++) to[i] = 0;
    }
    if (sides) {
        for (ptrdiff_t i = 0; i < low; i++) to[sides[i]] += g[i];
        for (ptrdiff_t i = low + count; i < width; i++) to[sides[i - count]] += g[i];
    }
}
