/* exp in vectors, and what follows from it: e^x - 1, the sigmoid, the hyperbolic tangent.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, a Taylor polynomial in r, and the scaling by 2^n in two steps so that results near the ends of
 * the range round once (Muller, Elementary Functions, 3rd ed., section 11.4). exp is within 1 ULP, the others within 5. */
#ifndef FC_EXPONENTIAL_H
#define FC_EXPONENTIAL_H

#include "vector.h"

#if FC_DOUBLE
#define EXP_TERMS 13
#define EXP_HIGH 710.0
#define EXP_LOW (-746.0)
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define ROUNDER 0x1.8p52
#define EXPONENT_SHIFT 52
#define EXPONENT_BIAS 1023
#else
#define EXP_TERMS 7
#define EXP_HIGH 89.0f
#define EXP_LOW (-104.0f)
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define ROUNDER 0x1.8p23f
#define EXPONENT_SHIFT 23
#define EXPONENT_BIAS 127
#endif

FC_INLINE vec power_of_two(mask n) { return from_bits((n + EXPONENT_BIAS) << EXPONENT_SHIFT); }

/* The integer n nearest to x / ln 2; returns r + low for x = n ln 2 + r. */
FC_INLINE vec exponent_of(vec x, vec low, mask *n) {
    const vec shifted = x * broadcast((real)0x1.71547652b82fep+0) + broadcast(ROUNDER);
    const vec whole = shifted - broadcast(ROUNDER);
    *n = as_bits(shifted) - as_bits(broadcast(ROUNDER));
    return (x - whole * broadcast(LN2_HIGH)) - whole * broadcast(LN2_LOW) + low;
}

/* e^r - 1 for small r: the small terms first, so that one rounding decides. */
FC_INLINE vec taylor(vec r) {
    static const double inverse_factorial[] = {
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
        1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    vec tail = broadcast((real)inverse_factorial[EXP_TERMS]);
    FC_UNROLL for (int i = EXP_TERMS - 1; i >= 2; i--) tail = tail * r + broadcast((real)inverse_factorial[i]);
    return tail * r * r + r;
}

/* e^(x + low), where low is what x lost to rounding. */
FC_INLINE vec exponential_of(vec x, vec low) {
    x = pick(FC_MASK(x > broadcast(EXP_HIGH)), broadcast(EXP_HIGH), x); /* a NaN compares false and stays */
    x = pick(FC_MASK(x < broadcast(EXP_LOW)), broadcast(EXP_LOW), x);
    mask n;
    const vec value = taylor(exponent_of(x, low, &n)) + broadcast(1);
    const mask half = n >> 1;
    return value * power_of_two(half) * power_of_two(n - half);
}

FC_INLINE vec exponential(vec x) { return exponential_of(x, broadcast(0)); }

/* e^x - 1 for x <= 0, of the sign of x even where x is zero. */
FC_INLINE vec exponential_less_one(vec x) {
    const vec low = broadcast(-40); /* the result is -1 from there on */
    mask n;
    const vec value = taylor(exponent_of(pick(FC_MASK(x < low), low, x), broadcast(0), &n)), scale = power_of_two(n);
    return with_sign(value * scale + (scale - broadcast(1)), x);
}

/* 1 / (1 + e^-x), and what it lacks to one: from e^-|x|, so that neither loses its small values. */
FC_INLINE vec sigmoid_and_rest(vec x, vec *rest) {
    const vec e = exponential(broadcast(0) - magnitude(x)), large = broadcast(1) / (broadcast(1) + e), small = e * large;
    const mask negative = FC_MASK(x < broadcast(0));
    *rest = pick(negative, large, small);
    return pick(negative, small, large);
}

FC_INLINE vec sigmoid(vec x) {
    const vec e = exponential(broadcast(0) - magnitude(x));
    return pick(FC_MASK(x < broadcast(0)), e, broadcast(1)) / (broadcast(1) + e);
}

/* tanh |x| = -m / (2 + m) with m = e^(-2|x|) - 1, which is exact to the last places near zero too. */
FC_INLINE vec tangent(vec x) {
    const vec m = exponential_less_one(broadcast(-2) * magnitude(x));
    return with_sign(magnitude(m / (broadcast(2) + m)), x);
}

#endif
