/* x^p in vectors, for a power that all share. The usual ones by square roots; the others by e^(p log x), whose relative error grows with
 * |p log x|, so where that is large, or x is no positive normal number, the C library computes lane by lane. */
#ifndef FC_POWER_H
#define FC_POWER_H

#include <float.h>
#include <math.h>

#include "exponential.h"

#if FC_DOUBLE
#define LOG_TERMS 11
#define SMALLEST DBL_MIN
#define LARGEST DBL_MAX
#define HALF_ROOT_BITS ((integer)0x3fe6a09e667f3bcd) /* of the square root of 1/2 */
#else
#define LOG_TERMS 5
#define SMALLEST FLT_MIN
#define LARGEST FLT_MAX
#define HALF_ROOT_BITS 0x3f3504f3
#endif
#define MOST_EXPONENT 8 /* |p log x| up to which e^(p log x) is within so many ULP */

FC_INLINE vec square_root(vec x) {
#if FC_AVX512 && FC_DOUBLE
    return (vec)_mm512_sqrt_pd((__m512d)x);
#elif FC_AVX512
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif FC_AVX2 && FC_DOUBLE
    return (vec)_mm256_sqrt_pd((__m256d)x);
#elif FC_AVX2
    return (vec)_mm256_sqrt_ps((__m256)x);
#else
    real lanes[VL_ELEMENTS];
    memcpy(lanes, &x, sizeof x);
    for (int j = 0; j < VL_ELEMENTS; j++) lanes[j] = (real)sqrt((double)lanes[j]);
    memcpy(&x, lanes, sizeof x);
    return x;
#endif
}

FC_INLINE int any_lane(mask m) {
    integer lanes[VL_ELEMENTS], any = 0;
    memcpy(lanes, &m, sizeof m);
    FC_UNROLL for (int j = 0; j < VL_ELEMENTS; j++) any |= lanes[j];
    return any != 0;
}

/* x = m 2^e with m between the square roots of 1/2 and 2; log m = 2 artanh t with t = (m - 1) / (m + 1). x: positive and normal. */
FC_INLINE vec logarithm(vec x) {
    const mask e = (as_bits(x) - mask_of(HALF_ROOT_BITS)) >> EXPONENT_SHIFT;
    const vec m = from_bits(as_bits(x) - (e << EXPONENT_SHIFT));
#if FC_VECTORS
    const vec n = __builtin_convertvector(e, vec);
#else
    const vec n = (vec)e;
#endif
    const vec t = (m - broadcast(1)) / (m + broadcast(1)), square = t * t;
    vec series = broadcast((real)(1.0 / (2 * LOG_TERMS + 1)));
    FC_UNROLL for (int i = LOG_TERMS - 1; i >= 1; i--) series = series * square + broadcast((real)(1.0 / (2 * i + 1)));
    const vec twice = t + t;
    return n * broadcast(LN2_HIGH) + (twice + (twice * (series * square) + n * broadcast(LN2_LOW)));
}

FC_INLINE vec power(vec x, double exponent) {
    const mask strange = ~(FC_MASK(x >= broadcast(SMALLEST)) & FC_MASK(x <= broadcast(LARGEST)));
    mask far = strange;
    vec result;
    if (exponent == 0.75) {
        const vec root = square_root(x);
        result = root * square_root(root);
    } else if (exponent == 0.5) {
        result = square_root(x);
    } else if (exponent == 1) {
        return x;
    } else {
        const vec product = logarithm(x) * broadcast((real)exponent);
        far |= FC_MASK(product > broadcast(MOST_EXPONENT)) | FC_MASK(product < broadcast(-MOST_EXPONENT));
        result = exponential_of_any(product);
    }
    if (!any_lane(far)) return result;
    real lanes[VL_ELEMENTS];
    memcpy(lanes, &x, sizeof x);
    for (int j = 0; j < VL_ELEMENTS; j++) lanes[j] = (real)pow((double)lanes[j], exponent);
    memcpy(&result, lanes, sizeof result);
    return result;
}

#endif
