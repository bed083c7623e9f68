/* Softmax and its logarithm, and their gradients: along a row, or down the columns of a matrix. The largest value is taken off first, so
 * nothing overflows. Sums go in blocks, so that of many terms each meets few roundings. */
#include "logarithm.h"
#include "parts.h"

enum {
    MAX_COLUMNS = 64, /* vectors of columns that are worked on at once */
    AHEAD = 2         /* rows: they are too short, and lie too far apart, for the processor to foresee the next */
};

FC_INLINE real row_top(ptrdiff_t count, const real *row) {
    vec best = broadcast(-(real)INFINITY);
    /* A NaN is passed over here; the sum will find it. */
    for (ptrdiff_t i = 0; i < count; i += VL) best = larger(take_or(row + i, count - i, -(real)INFINITY), best);
    real lanes[VL_ELEMENTS];
    store(lanes, best);
    FC_UNROLL for (ptrdiff_t half = VL / 2; half > 0; half /= 2)
        FC_UNROLL for (ptrdiff_t lane = 0; lane < half; lane++)
            lanes[lane] = lanes[lane] > lanes[lane + half] ? lanes[lane] : lanes[lane + half];
    return lanes[0];
}

void FC_NAME(softmax_row)(int logarithmic, ptrdiff_t count, const void *input, void *output) {
    const real *from = input;
    real *to = output;
    const vec top = broadcast(row_top(count, from));
    exact_sum total = {broadcast(0), broadcast(0)};
    for (ptrdiff_t start = 0; start < count; start += BLOCK * VL) {
        const ptrdiff_t stop = fewer(count, start + BLOCK * VL);
        vec sum = broadcast(0);
        for (ptrdiff_t i = start; i < stop; i += VL) {
            const vec term = exponential(take_or(from + i, count - i, -(real)INFINITY) - top);
            if (!logarithmic) store_up_to(to + i, term, count - i);
            sum += term;
        }
        add_exactly(&total, sum);
    }
    const vec sum = broadcast(sum_of_lanes(total.value));
    if (logarithmic) {
        const vec shift = logarithm(sum);
        for (ptrdiff_t i = 0; i < count; i += VL) store_up_to(to + i, (load_up_to(from + i, count - i) - top) - shift, count - i);
    } else {
        for (ptrdiff_t i = 0; i < count; i += VL) store_up_to(to + i, load_up_to(to + i, count - i) / sum, count - i);
    }
}

/* value: what the forward returned. The sum is that of gradient * value, for the logarithm that of the gradient. */
void FC_NAME(softmax_row_backward)(int logarithmic, ptrdiff_t count, const void *gradient, const void *value, void *output) {
    const real *g = gradient, *y = value;
    real *to = output;
    vec total = broadcast(0);
    for (ptrdiff_t start = 0; start < count; start += BLOCK * VL) {
        const ptrdiff_t stop = fewer(count, start + BLOCK * VL);
        vec sum = broadcast(0);
        for (ptrdiff_t i = start; i < stop; i += VL) {
            const vec slope = load_up_to(g + i, count - i);
            sum += logarithmic ? slope : slope * load_up_to(y + i, count - i);
        }
        total += sum;
    }
    const vec sum = broadcast(sum_of_lanes(total));
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const vec slope = load_up_to(g + i, count - i), v = load_up_to(y + i, count - i);
        store_up_to(to + i, logarithmic ? slope - exponential_of_any(v) * sum : (slope - sum) * v, count - i);
    }
}

/* What is left from vector j on; where all vectors are whole the compiler need not ask. */
#define LEFT (whole ? VL : columns - j * VL)

/* The same down each of `columns` columns of a matrix with n rows, `step` elements apart (`output_step` in the output). */
FC_INLINE void columns_forward(int logarithmic, int whole, ptrdiff_t n, ptrdiff_t columns, const real *from, ptrdiff_t step, real *to,
                            ptrdiff_t output_step) {
    const ptrdiff_t vectors = whole ? columns / VL : (columns + VL - 1) / VL;
    vec top[MAX_COLUMNS], sum[MAX_COLUMNS], total[MAX_COLUMNS];
    exact_sum exact[MAX_COLUMNS];
    for (ptrdiff_t j = 0; j < vectors; j++) top[j] = broadcast(-(real)INFINITY), exact[j].value = exact[j].lost = broadcast(0);
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t j = 0; j < vectors; j++) {
            FC_PREFETCH(from + (k + AHEAD) * step + j * VL);
            top[j] = larger(load_up_to(from + k * step + j * VL, LEFT), top[j]);
        }
    for (ptrdiff_t start = 0; start < n; start += BLOCK) {
        for (ptrdiff_t j = 0; j < vectors; j++) sum[j] = broadcast(0);
        for (ptrdiff_t k = start; k < fewer(n, start + BLOCK); k++)
            for (ptrdiff_t j = 0; j < vectors; j++) {
                const vec term = exponential(load_up_to(from + k * step + j * VL, LEFT) - top[j]);
                if (!logarithmic) store_up_to(to + k * output_step + j * VL, term, LEFT);
                sum[j] += term;
            }
        for (ptrdiff_t j = 0; j < vectors; j++) add_exactly(&exact[j], sum[j]);
    }
    for (ptrdiff_t j = 0; j < vectors; j++) total[j] = logarithmic ? logarithm(exact[j].value) : exact[j].value;
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t j = 0; j < vectors; j++) {
            real *place = to + k * output_step + j * VL;
            const ptrdiff_t left = LEFT;
            if (logarithmic) store_up_to(place, (load_up_to(from + k * step + j * VL, left) - top[j]) - total[j], left);
            else store_up_to(place, load_up_to(place, left) / total[j], left);
        }
}

FC_INLINE void columns_backward(int logarithmic, int whole, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t step, const real *g, const real *y,
                                real *to) {
    const ptrdiff_t vectors = whole ? columns / VL : (columns + VL - 1) / VL;
    vec total[MAX_COLUMNS], sum[MAX_COLUMNS];
    for (ptrdiff_t j = 0; j < vectors; j++) total[j] = broadcast(0);
    for (ptrdiff_t start = 0; start < n; start += BLOCK) {
        for (ptrdiff_t j = 0; j < vectors; j++) sum[j] = broadcast(0);
        for (ptrdiff_t k = start; k < fewer(n, start + BLOCK); k++)
            for (ptrdiff_t j = 0; j < vectors; j++) {
                const ptrdiff_t at = k * step + j * VL, left = LEFT;
                FC_PREFETCH(g + at + AHEAD * step);
                FC_PREFETCH(y + at + AHEAD * step);
                const vec slope = load_up_to(g + at, left);
                if (logarithmic) sum[j] += slope; /* as ?: the sum below would be a fused one in some copies of this loop only */
                else sum[j] += slope * load_up_to(y + at, left);
            }
        for (ptrdiff_t j = 0; j < vectors; j++) total[j] += sum[j];
    }
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t j = 0; j < vectors; j++) {
            const ptrdiff_t at = k * step + j * VL, left = LEFT;
            const vec slope = load_up_to(g + at, left), v = load_up_to(y + at, left);
            store_up_to(to + at, logarithmic ? slope - exponential_of_any(v) * total[j] : (slope - total[j]) * v, left);
        }
}

void FC_NAME(softmax_columns)(int logarithmic, ptrdiff_t n, ptrdiff_t columns, const void *input, ptrdiff_t step, void *output,
                              ptrdiff_t output_step) {
    for (ptrdiff_t j = 0; j < columns; j += MAX_COLUMNS * VL) {
        const ptrdiff_t here = fewer(columns - j, MAX_COLUMNS * VL);
        const real *from = (const real *)input + j;
        real *to = (real *)output + j;
        if (here % VL) columns_forward(logarithmic, 0, n, here, from, step, to, output_step);
        else columns_forward(logarithmic, 1, n, here, from, step, to, output_step);
    }
}

void FC_NAME(softmax_columns_backward)(int logarithmic, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t step, const void *gradient,
                                       const void *value, void *output) {
    for (ptrdiff_t j = 0; j < columns; j += MAX_COLUMNS * VL) {
        const ptrdiff_t here = fewer(columns - j, MAX_COLUMNS * VL);
        const real *g = (const real *)gradient + j, *y = (const real *)value + j;
        real *to = (real *)output + j;
        if (here % VL) columns_backward(logarithmic, 0, n, here, step, g, y, to);
        else columns_backward(logarithmic, 1, n, here, step, g, y, to);
    }
}
