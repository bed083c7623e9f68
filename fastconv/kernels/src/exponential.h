/* exp in vectors: x = n ln 2 + r with |r| <= ln 2 / 2, a Taylor polynomial in r, and the scaling by 2^n in two steps so that results
 * near the ends of the range round once (Muller, Elementary Functions, 3rd ed., section 11.4). Within 1 ULP. */
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

FC_INLINE vec exponential(vec x) {
    static const double inverse_factorial[] = {
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
        1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    x = pick(FC_MASK(x > broadcast(EXP_HIGH)), broadcast(EXP_HIGH), x); /* a NaN compares false and stays */
    x = pick(FC_MASK(x < broadcast(EXP_LOW)), broadcast(EXP_LOW), x);
    const vec shifted = x * broadcast((real)0x1.71547652b82fep+0) + broadcast(ROUNDER);
    const vec n = shifted - broadcast(ROUNDER);
    const vec r = (x - n * broadcast(LN2_HIGH)) - n * broadcast(LN2_LOW);
    vec tail = broadcast((real)inverse_factorial[EXP_TERMS]);
    FC_UNROLL for (int i = EXP_TERMS - 1; i >= 2; i--) tail = tail * r + broadcast((real)inverse_factorial[i]);
    const vec value = (tail * r * r + r) + broadcast(1); /* small terms first: one rounding decides */
    const mask whole = as_bits(shifted) - as_bits(broadcast(ROUNDER));
    const mask half = whole >> 1;
    return value * power_of_two(half) * power_of_two(whole - half);
}

#endif
