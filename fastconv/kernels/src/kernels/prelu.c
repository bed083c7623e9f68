/* PReLU with a weight for each channel: rows of one channel or of all, and the sums that are the weights' gradient. */
#include "parts.h"

/* output = value where input > 0, else value * weight; forward the value is the input, backward the gradient. each: a weight an element,
 * else one for all. */
void FC_NAME(prelu_row)(ptrdiff_t count, const void *value, const void *input, const void *weight, int each, void *output) {
    const vec one = broadcast(each ? 0 : *(const real *)weight);
    for (ptrdiff_t i = 0, next = first_step(output, count); i < count; i += next, next = VL) {
        const ptrdiff_t here = fewer(next, count - i);
        const vec v = load_up_to((const real *)value + i, here), x = value == input ? v : load_up_to((const real *)input + i, here);
        const vec leak = v * (each ? load_up_to((const real *)weight + i, here) : one);
        store_up_to((real *)output + i, pick(FC_MASK(x > broadcast(0)), v, leak), here);
    }
}

/* gradient * input where the input is not positive. Behind the end both are 0. */
FC_INLINE vec leaked(const real *g, const real *x, ptrdiff_t left) {
    const vec value = load_up_to(x, left);
    return pick(FC_MASK(value > broadcast(0)), broadcast(0), value * load_up_to(g, left));
}

double FC_NAME(leaked_sum)(ptrdiff_t count, const void *gradient, const void *input) {
    double total = 0;
    for (ptrdiff_t start = 0; start < count; start += BLOCK * VL) {
        vec sum = broadcast(0);
        for (ptrdiff_t i = start; i < count && i < start + BLOCK * VL; i += VL)
            sum += leaked((const real *)gradient + i, (const real *)input + i, count - i);
        total += sum_of_lanes(sum);
    }
    return total;
}

/* sums[column], over so many rows that a vector's sum needs no blocks. */
void FC_NAME(leaked_columns)(ptrdiff_t rows, ptrdiff_t columns, const void *gradient, const void *input, double *sums) {
    real lanes[VL_ELEMENTS];
    for (ptrdiff_t j = 0; j < columns; j += VL) {
        vec sum = broadcast(0);
        for (ptrdiff_t row = 0; row < rows; row++) {
            const ptrdiff_t at = row * columns + j;
            sum += leaked((const real *)gradient + at, (const real *)input + at, columns - j);
        }
        store(lanes, sum);
        for (ptrdiff_t lane = 0; lane < VL && j + lane < columns; lane++) sums[j + lane] = lanes[lane];
    }
}
