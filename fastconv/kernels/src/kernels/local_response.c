/* Local response normalisation of C channels of some pixels, a channel's pixels one after the other and `row` apart from the next's. */
#include "power.h"
#include "wide.h"

/* k + factor * the sum of the squares of channels low to high, of a vector of pixels. */
FC_INLINE vec divisor(const real *x, ptrdiff_t row, ptrdiff_t low, ptrdiff_t high, ptrdiff_t left, real factor, real k) {
    vec sum[2] = {broadcast(0), broadcast(0)};
    ptrdiff_t c = low;
    for (; c + 1 <= high; c += 2)
        FC_UNROLL for (int j = 0; j < 2; j++) {
            const vec here = load_up_to(x + (c + j) * row, left);
            sum[j] += here * here;
        }
    if (c <= high) {
        const vec here = load_up_to(x + c * row, left);
        sum[0] += here * here;
    }
    return (sum[0] + sum[1]) * broadcast(factor) + broadcast(k);
}

/* The window of channel c: from c - before to c + after, those that there are. */
#define FIRST(c, before) ((c) > (before) ? (c) - (before) : 0)
#define LAST(c, after) (channels - 1 - (c) > (after) ? (c) + (after) : channels - 1)

/* target = source / (k + factor * the window's squares)^beta. */
void FC_NAME(local_response)(ptrdiff_t channels, ptrdiff_t pixels, ptrdiff_t row, ptrdiff_t before, ptrdiff_t after, double factor,
                             double beta, double k, const void *source, void *target) {
    for (ptrdiff_t i = 0; i < pixels; i += VL) {
        const ptrdiff_t left = pixels - i;
        const real *x = (const real *)source + i;
        real *y = (real *)target + i;
        for (ptrdiff_t c = 0; c < channels; c++) {
            const vec d = divisor(x, row, FIRST(c, before), LAST(c, after), left, (real)factor, (real)k);
            store_up_to(y + c * row, load_up_to(x + c * row, left) / power(d, beta), left);
        }
    }
}

/* The gradient of that. stage: a vector for each channel. With d the divisor and q = gradient * x / d^(beta + 1):
 * target = gradient / d^beta - 2 factor beta x * the sum of q over the channels whose windows hold this one. */
void FC_NAME(local_response_gradient)(ptrdiff_t channels, ptrdiff_t pixels, ptrdiff_t row, ptrdiff_t before, ptrdiff_t after,
                                      double factor, double beta, double k, const void *gradient, const void *source, void *stage,
                                      void *target) {
    real *q = stage;
    const vec scale = broadcast((real)(2 * factor * beta));
    for (ptrdiff_t i = 0; i < pixels; i += VL) {
        const ptrdiff_t left = pixels - i;
        const real *g = (const real *)gradient + i, *x = (const real *)source + i;
        real *to = (real *)target + i;
        for (ptrdiff_t c = 0; c < channels; c++) {
            const vec d = divisor(x, row, FIRST(c, before), LAST(c, after), left, (real)factor, (real)k);
            const vec own = load_up_to(g + c * row, left) / power(d, beta);
            store_up_to(to + c * row, own, left);
            store(q + c * VL, own * (load_up_to(x + c * row, left) / d));
        }
        for (ptrdiff_t c = 0; c < channels; c++) {
            vec sum = broadcast(0);
            for (ptrdiff_t j = FIRST(c, after); j <= LAST(c, before); j++) sum += load(q + j * VL);
            store_up_to(to + c * row, load_up_to(to + c * row, left) - scale * load_up_to(x + c * row, left) * sum, left);
        }
    }
}
