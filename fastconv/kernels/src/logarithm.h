/* The natural logarithm in vectors, of positive normal numbers: x = 2^n m with m in [sqrt(1/2), sqrt(2)), and
 * log m = 2 artanh(s) with s = (m - 1) / (m + 1), by its Taylor series (Muller, Elementary Functions, 3rd ed., section 4.2). */
#ifndef FC_LOGARITHM_H
#define FC_LOGARITHM_H

#include <math.h>

#include "exponential.h"

FC_INLINE vec as_real(mask n) { /* |n| < 2^22 */
    return from_bits(n + as_bits(broadcast(ROUNDER))) - broadcast(ROUNDER);
}

FC_INLINE vec logarithm(vec x) {
    enum { TERMS = FC_DOUBLE ? 11 : 5 };
    const mask root_half = as_bits(broadcast((real)0.70710678118654752440));
    const mask n = (as_bits(x) - root_half) >> EXPONENT_SHIFT; /* arithmetic: rounds down */
    const vec m = from_bits(as_bits(x) - (n << EXPONENT_SHIFT)), f = m - broadcast(1), s = f / (m + broadcast(1)), z = s * s;
    vec series = broadcast((real)(2.0 / (2 * TERMS + 1)));
    FC_UNROLL for (int i = TERMS - 1; i >= 1; i--) series = series * z + broadcast((real)(2.0 / (2 * i + 1)));
    /* 2 s = f - s f, which keeps the digits of f */
    const vec small = f - s * (f - z * series), whole = as_real(n);
    const vec result = whole * broadcast(LN2_HIGH) + (small + whole * broadcast(LN2_LOW));
    return pick(FC_MASK(x < broadcast((real)INFINITY)), result, x); /* infinity and NaN stay */
}

#endif
