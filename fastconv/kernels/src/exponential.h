/* exp in vectors, and what follows from it: e^x - 1, the sigmoid, the hyperbolic tangent.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, a Taylor polynomial in r, and a scaling by 2^n that rounds results near the ends of the range once
 * (Muller, Elementary Functions, 3rd ed., section 11.4). exp is within 1 ULP, the others within 5. */
#ifndef FC_EXPONENTIAL_H
#define FC_EXPONENTIAL_H

#include "vector.h"

#if FC_DOUBLE
#define EXP_TERMS 13
#define EXP_HIGH 710.0
#define EXP_LOW (-746.0)
#define EXP_LOWEST (-797.8) /* 2^-1151 */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define ROUNDER 0x1.8p52
#define EXPONENT_SHIFT 52
#define SMALL 0x1p-128
#else
#define EXP_TERMS 7
#define EXP_HIGH 89.0f
#define EXP_LOW (-104.0f)
#define EXP_LOWEST (-132.4f) /* 2^-191 */
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define ROUNDER 0x1.8p23f
#define EXPONENT_SHIFT 23
#define SMALL 0x1p-64f
#endif

/* Writes x = n ln 2 + r. Returns r; n, the integer nearest to x / ln 2, stands in the low bits of `n`. */
FC_INLINE vec split_exponent(vec x, mask *n) {
    const vec shifted = x * broadcast((real)0x1.71547652b82fep+0) + broadcast(ROUNDER);
    const vec whole = shifted - broadcast(ROUNDER);
    *n = as_bits(shifted);
    return (x - whole * broadcast(LN2_HIGH)) - whole * broadcast(LN2_LOW);
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

/* value * 2^n for a value near one: by 2^n / factor, which the factor, a power of two, keeps within its range, then by the factor, which
 * rounds a denormal result, once. A NaN stays one, whatever stands in n. */
FC_INLINE vec scaled(vec value, mask n, vec factor) {
    return value * from_bits((n << EXPONENT_SHIFT) + (2 * as_bits(broadcast(1)) - as_bits(factor))) * factor;
}

/* e^(x + low) for EXP_LOW <= x <= 0, or NaN, where low is what x lost to rounding. */
FC_INLINE vec exponential_and_rest(vec x, vec low) {
    mask n;
    const vec r = split_exponent(x, &n) + low;
    return scaled(taylor(r) + broadcast(1), n, broadcast(SMALL));
}

/* e^x for EXP_LOW <= x <= 0, or NaN. */
FC_INLINE vec exponential_in_range(vec x) {
    mask n;
    const vec r = split_exponent(x, &n);
    return scaled(taylor(r) + broadcast(1), n, broadcast(SMALL));
}

/* e^x for x <= 0: all that most functions need. */
FC_INLINE vec exponential(vec x) { return exponential_in_range(larger(broadcast(EXP_LOW), x)); }

/* e^x / SMALL for x <= 0, for what is no denormal as a multiple of it. Far below the range of e^x the exponent's bits are all zero. */
FC_INLINE vec exponential_raised(vec x) {
    mask n;
    const vec value = taylor(split_exponent(larger(broadcast(EXP_LOWEST), x), &n)) + broadcast(1);
    return value * from_bits((n << EXPONENT_SHIFT) + (2 * as_bits(broadcast(1)) - as_bits(broadcast(SMALL))));
}

/* e^x for any x. */
FC_INLINE vec exponential_of_any(vec x) {
    mask n;
    x = larger(broadcast(EXP_LOW), x);
    x = pick(FC_MASK(x > broadcast(EXP_HIGH)), broadcast(EXP_HIGH), x);
    const vec value = taylor(split_exponent(x, &n)) + broadcast(1);
    return scaled(value, n, pick(FC_MASK(x > broadcast(0)), broadcast(1 / SMALL), broadcast(SMALL)));
}

/* e^x - 1 for x <= 0, of the sign of x even where x is zero. */
FC_INLINE vec exponential_less_one(vec x) {
    mask n;
    const vec r = split_exponent(larger(broadcast(-40), x), &n); /* the result is -1 from there on */
    const vec scale = from_bits((n << EXPONENT_SHIFT) + as_bits(broadcast(1)));
    return with_sign(taylor(r) * scale + (scale - broadcast(1)), x);
}

/* 1 / (1 + e^-x), and what it lacks to one: from e^-|x|, so that neither loses its small values. */
FC_INLINE vec sigmoid_and_rest(vec x, vec *rest) {
    const vec e = exponential(with_sign(magnitude(x), broadcast(-1))), large = broadcast(1) / (broadcast(1) + e), small = e * large;
    const mask negative = FC_MASK(x < broadcast(0));
    *rest = pick(negative, large, small);
    return pick(negative, small, large);
}

FC_INLINE vec sigmoid(vec x) {
    const vec e = exponential(with_sign(magnitude(x), broadcast(-1)));
    return pick(FC_MASK(x < broadcast(0)), e, broadcast(1)) / (broadcast(1) + e);
}

/* tanh |x| = -m / (2 + m) with m = e^(-2|x|) - 1, which is exact to the last places near zero too. */
FC_INLINE vec tangent(vec x) {
    const vec m = exponential_less_one(broadcast(-2) * magnitude(x));
    return with_sign(magnitude(m / (broadcast(2) + m)), x);
}

#endif
