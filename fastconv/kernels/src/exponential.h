/* exp in vectors, and what follows from it: e^x - 1, the sigmoid, the hyperbolic tangent.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, and a scaling by 2^n that rounds results near the ends of the range once
 * (Muller, Elementary Functions, 3rd ed., section 11.4). exp is within 1 ULP, the others within 5. */
#ifndef FC_EXPONENTIAL_H
#define FC_EXPONENTIAL_H

#include "vector.h"

#if FC_DOUBLE
#define EXP_HIGH 710.0
#define EXP_LOW (-746.0)
#define FALL_LOW (-798.5)    /* e^798.5 is 2^1152 */
#define FALL_FINITE (-760.0) /* the sigmoid is nothing already, e^-x not infinite yet */
#define FALL_HIGH 620.4      /* e^-620.4 is 2^-895 */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define ROUNDER 0x1.8p52
#define EXPONENT_SHIFT 52
#define SMALL 0x1p-128
#else
#define EXP_HIGH 89.0f
#define EXP_LOW (-104.0f)
#define FALL_LOW (-133.1f)    /* e^133.1 is 2^192 */
#define FALL_FINITE (-110.0f) /* the sigmoid is nothing already, e^-x not infinite yet */
#define FALL_HIGH 43.67f      /* e^-43.67 is 2^-63 */
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

/* c[0] + c[1] x + ..., x^2 being at hand: pairs of terms, which wait for nothing, in powers of x^2 (Estrin's first step), so that half as
 * many results wait for one another. */
FC_INLINE vec polynomial(const real *c, int degree, vec x, vec square) {
    const int last = degree & ~1;
    vec sum = degree > last ? broadcast(c[degree]) * x + broadcast(c[last]) : broadcast(c[last]);
    FC_UNROLL for (int i = last - 2; i >= 0; i -= 2) sum = sum * square + (broadcast(c[i + 1]) * x + broadcast(c[i]));
    return sum;
}

/* q of e^r = 1 + r + r^2 q(r), |r| <= ln 2 / 2: it interpolates at Chebyshev points, which takes fewer terms than Taylor's series, and
 * leaves e^r off by 1.6e-10 of itself (float32), 2.3e-19. */
FC_INLINE vec growth_quotient(vec r, vec square) {
#if FC_DOUBLE
    static const double Q[] = {
        0.5, 0.16666666666666670991, 0.041666666666666669755, 0.0083333333333261351258, 0.0013888888888883748305,
        0.00019841269874820625271, 0.000024801587325547741216, 2.755725540020642443e-6, 2.7557273643110295328e-7,
        2.5105217004720745164e-8, 2.0914686968086877233e-9};
#else
    static const float Q[] = {0.5f, 0.1666666668f, 0.04166646493f, 0.008333310925f, 0.001393365f, 0.0001989099082f};
#endif
    return polynomial(Q, sizeof Q / sizeof Q[0] - 1, r, square);
}

/* e^r - 1: the small terms first, so that one rounding decides. */
FC_INLINE vec growth(vec r) {
    const vec square = r * r;
    return growth_quotient(r, square) * square + r;
}

/* e^r for functions that promise an ULP: growth would round once more before its sum with one, which fused multiply-adds avoid. */
FC_INLINE vec exponential_near_zero(vec r) {
#if FC_REGISTERS == 32 || defined(__FMA__)
    return (growth_quotient(r, r * r) * r + broadcast(1)) * r + broadcast(1);
#else
    return growth(r) + broadcast(1);
#endif
}

/* value * 2^n for a value near one: by 2^n / factor, which the factor, a power of two, keeps within its range, then by the factor, which
 * rounds a denormal result, once. A NaN stays one, whatever stands in n. */
FC_INLINE vec scaled(vec value, mask n, vec factor) {
    return value * from_bits((n << EXPONENT_SHIFT) + (2 * as_bits(broadcast(1)) - as_bits(factor))) * factor;
}

/* e^x for EXP_LOW <= x <= 0, or NaN. */
FC_INLINE vec exponential_in_range(vec x) {
    mask n;
    const vec value = exponential_near_zero(split_exponent(x, &n));
    return scaled(value, n, broadcast(SMALL));
}

/* e^x for x <= 0: all that most functions need. */
FC_INLINE vec exponential(vec x) { return exponential_in_range(larger(broadcast(EXP_LOW), x)); }

/* SMALL e^-x for FALL_LOW <= x <= FALL_HIGH, or NaN: so small a multiple reaches as far as 1 / e^-x has digits. At the ends the exponent's
 * bits are all ones or all zero: infinity and nothing. */
FC_INLINE vec fall(vec x) {
    mask n;
    const vec value = growth(split_exponent(-x, &n)) + broadcast(1);
    return value * from_bits((n << EXPONENT_SHIFT) + as_bits(broadcast(SMALL)));
}

/* e^x for any x. */
FC_INLINE vec exponential_of_any(vec x) {
    mask n;
    x = larger(broadcast(EXP_LOW), x);
    x = pick(FC_MASK(x > broadcast(EXP_HIGH)), broadcast(EXP_HIGH), x);
    const vec value = exponential_near_zero(split_exponent(x, &n));
    return scaled(value, n, pick(FC_MASK(x > broadcast(0)), broadcast(1 / SMALL), broadcast(SMALL)));
}

/* e^x - 1 for x <= 0, of the sign of x even where x is zero. */
FC_INLINE vec exponential_less_one(vec x) {
    mask n;
    const vec r = split_exponent(larger(broadcast(-40), x), &n); /* the result is -1 from there on */
    const vec scale = from_bits((n << EXPONENT_SHIFT) + as_bits(broadcast(1)));
    return with_sign(growth(r) * scale + (scale - broadcast(1)), x);
}

/* 1 / (1 + e^-x), and what it lacks to one: e^-x / (1 + e^-x), so that neither loses its small values. */
FC_INLINE vec sigmoid_and_rest(vec x, vec *rest) {
    const vec e = fall(smaller(broadcast(FALL_HIGH), larger(broadcast(FALL_FINITE), x)));
    const vec inverse = broadcast(1) / (broadcast(SMALL) + e);
    *rest = e * inverse;
    return broadcast(SMALL) * inverse;
}

FC_INLINE vec sigmoid(vec x) {
    const vec e = fall(smaller(broadcast(FALL_HIGH), larger(broadcast(FALL_LOW), x)));
    return broadcast(SMALL) / (broadcast(SMALL) + e);
}

/* tanh |x| = -m / (2 + m) with m = e^(-2|x|) - 1, which is exact to the last places near zero too. */
FC_INLINE vec tangent(vec x) {
    const vec m = exponential_less_one(broadcast(-2) * magnitude(x));
    return with_sign(magnitude(m / (broadcast(2) + m)), x);
}

#endif
