/* The normal distribution in vectors: Phi(x), the share of it below x, and its density. */
#ifndef FC_NORMAL_H
#define FC_NORMAL_H

#include "exponential.h"

/* Phi(-x) = e^(-x^2/2) R(x) for x >= 0, where R, the tail without its fall, is smooth over the whole half-line: a polynomial in
 * (x - m) / (x + m), divided by x + m (the form of Shepherd and Laframboise, Mathematics of Computation 36, 1981). The coefficients
 * interpolate R at Chebyshev points, computed with 50 digits: off by 1.3e-8 of R for x <= 14.5 (float32), 1.2e-17 for x <= 39. */
FC_INLINE vec normal_tail_ratio(vec x) {
#if FC_DOUBLE
    const vec middle = broadcast(5);
    static const double P[] = {
        7.691930497500629586e-1, -6.653825028900567004e-1, 4.953056159699764133e-1, -3.135331566713045447e-1, 1.650203661703847179e-1,
        -6.911863870631016358e-2, 2.079506679988317964e-2, -2.993376770508542439e-3, -7.978693984660701054e-4, 5.448990647731298938e-4,
        -5.937572800991586368e-5, -4.976281427058580517e-5, 1.668121374204206145e-5, 3.980902157868041119e-6, -2.769267095997430245e-6,
        -3.366153681012471172e-7, 4.331410356862584954e-7, 4.227499374006534838e-8, -6.594221662477223043e-8, -9.313560994326059143e-9,
        7.663071800760041046e-9, 1.753048401408231981e-9, -1.587746882747336538e-10};
#else
    const vec middle = broadcast(4);
    static const float P[] = {
        7.5528513851e-1f, -6.0789660607e-1f, 3.8713667979e-1f, -1.865230059e-1f, 6.0406469748e-2f, -7.5272129117e-3f,
        -3.5235740564e-3f, 1.5693136451e-3f, 1.9480185114e-4f, -1.2298315701e-4f};
#endif
    enum { DEGREE = sizeof P / sizeof P[0] - 1 };
    const vec share = broadcast(1) / (x + middle), t = (x - middle) * share;
    vec sum = broadcast(P[DEGREE]);
    FC_UNROLL for (int i = DEGREE - 1; i >= 0; i--) sum = sum * t + broadcast(P[i]);
    return sum * share;
}

/* Phi(x), relatively accurate in the lower tail too; e^(-x^2/2) through `bell`. */
FC_INLINE vec normal_below(vec x, vec *bell) {
    const vec end = broadcast(FC_DOUBLE ? 39 : (real)14.5); /* nothing is left beyond */
    vec size = magnitude(x);
    size = pick(FC_MASK(size > end), end, size);
    /* The square in two parts: half of the digits of x have an exact square, and the exponential takes the rest separately. */
    const vec high = from_bits(as_bits(size) & mask_of(~(((integer)1 << (FC_DOUBLE ? 27 : 12)) - 1))), rest = (size - high) * (size + high);
    *bell = exponential_and_rest(high * high * broadcast((real)-0.5), rest * broadcast((real)-0.5));
    const vec tail = *bell * normal_tail_ratio(size);
    return pick(FC_MASK(x < broadcast(0)), tail, broadcast(1) - tail);
}

#endif
