/* The squared difference of two arrays and its gradient, with a weight for each element or without. */
#include "parts.h"

void FC_NAME(squares)(ptrdiff_t count, const void *input, const void *target, const void *weight, void *output) {
    const real *x = input, *t = target, *w = weight;
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const vec difference = load_up_to(x + i, count - i) - load_up_to(t + i, count - i), square = difference * difference;
        store_up_to((real *)output + i, w ? square * load_up_to(w + i, count - i) : square, count - i);
    }
}

/* Their sum, in blocks of so many vectors that float32 loses nothing to speak of. */
double FC_NAME(sum_squares)(ptrdiff_t count, const void *input, const void *target, const void *weight) {
    enum { SUMS = 4 };
    const real *x = input, *t = target, *w = weight;
    double total = 0;
    for (ptrdiff_t start = 0; start < count; start += BLOCK * SUMS * VL) {
        const ptrdiff_t stop = count - start < BLOCK * SUMS * VL ? count : start + BLOCK * SUMS * VL;
        vec sums[SUMS];
        FC_UNROLL for (int j = 0; j < SUMS; j++) sums[j] = broadcast(0);
        ptrdiff_t i = start;
        for (; i + SUMS * VL <= stop; i += SUMS * VL) FC_UNROLL for (int j = 0; j < SUMS; j++) {
            const vec difference = load(x + i + j * VL) - load(t + i + j * VL);
            sums[j] += w ? difference * difference * load(w + i + j * VL) : difference * difference;
        }
        for (; i < stop; i += VL) {
            const vec difference = load_up_to(x + i, stop - i) - load_up_to(t + i, stop - i);
            sums[0] += w ? difference * difference * load_up_to(w + i, stop - i) : difference * difference;
        }
        total += sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    return total;
}

/* output = (input - target) * factor [* weight] [* gradient] */
void FC_NAME(squares_backward)(ptrdiff_t count, const void *gradient, const void *input, const void *target, const void *weight,
                               double factor, void *output) {
    const real *g = gradient, *x = input, *t = target, *w = weight;
    const vec by = broadcast((real)factor);
    for (ptrdiff_t i = 0; i < count; i += VL) {
        vec slope = (load_up_to(x + i, count - i) - load_up_to(t + i, count - i)) * by;
        if (w) slope *= load_up_to(w + i, count - i);
        if (g) slope *= load_up_to(g + i, count - i);
        store_up_to((real *)output + i, slope, count - i);
    }
}
