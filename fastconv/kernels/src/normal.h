/* The normal distribution in vectors: the share of it beyond x, Phi(-|x|), and its density. */
#ifndef FC_NORMAL_H
#define FC_NORMAL_H

#include "exponential.h"

#if FC_DOUBLE
#define BELL_END 39.945 /* where e^(-x^2/2) is 2^-1151 */
#define BELL_LN2_HIGH LN2_HIGH
#define BELL_LN2_LOW LN2_LOW
#else
#define BELL_END 16.272f /* 2^-191 */
/* Times eighths, which have 11 digits, it is exact: also where a compiler does not fuse the multiplication with the addition. */
#define BELL_LN2_HIGH 0x1.62ep-1f
#define BELL_LN2_LOW 0x1.0bfbe8p-15f
#endif

/* Phi(-x) = e^(-x^2/2) R(x) for x >= 0, where R, the tail without its fall, is smooth over the whole half-line: a quotient of polynomials
 * (as W. J. Cody's erfc, Mathematics of Computation 23, 1969) that all have positive coefficients, so nothing cancels. It interpolates R
 * at the Chebyshev points of (x - m) / (x + m), m being 3 (float32) or 5, computed with 60 digits: off by 9.1e-9 of R up to BELL_END,
 * or 4.4e-18. */
FC_INLINE vec normal_tail_ratio(vec x, vec square) {
#if FC_DOUBLE
    static const double P[] = {
        752215.77110964592759, 1263245.1886320957563, 1050405.4828813894428, 559458.20399420912889, 209504.53344822534428,
        57398.015629491768223, 11639.780233809638405, 1728.0869636809313161, 180.54946130626986173, 12.083180310437292621,
        0.39894228040145938142};
    static const double Q[] = {
        1504431.5422192918487, 3726853.0775858099714, 4322193.7256394454568, 3104222.4117901084827, 1537868.9072889513168,
        553431.44253469277871, 148146.58467606218789, 29627.172622676612517, 4361.959685734110395, 453.57038467774412827,
        30.28804141362360195, 1};
#else
    static const float P[] = {47.2905591f, 41.7298483f, 17.53151506f, 3.909910878f, 0.3989457978f};
    static const float Q[] = {94.58111771f, 158.924548f, 114.5754591f, 44.93257956f, 9.801199901f, 1};
#endif
    return polynomial(P, sizeof P / sizeof P[0] - 1, x, square) / polynomial(Q, sizeof Q / sizeof Q[0] - 1, x, square);
}

/* The bell falls by octaves, or by eighths of one where a register can be the table of them: that halves the polynomial. */
#if FC_AVX2 && !FC_DOUBLE
#define STEPS 8
#else
#define STEPS 1
#endif

/* e^(-q/2) - 1 for |q| <= ln 2 / STEPS, which leaves e^(-q/2) off by 9.8e-18 of itself (float64), 1.1e-8 (octaves), 2.6e-8 (eighths).
 * Divided by q, it interpolates at Chebyshev points; the one with eighths at 0 and +-0.91 of the range, where four errors of the product
 * are alike. */
FC_INLINE vec bell_rise(vec q) {
#if STEPS == 8
    return q * ((broadcast(-0.02083495294f) * q + broadcast(0.1250161963f)) * q + broadcast(-0.5f));
#else
#if FC_DOUBLE
    static const double Q[] = {
        -0.5, 0.12500000000000014042, -0.020833333333333338733, 0.0026041666666608214132, -0.00026041666666644190262,
        0.000021701388957013434658, -1.550099208968788436e-6, 9.6880876355459715841e-8, -5.3822764503411004457e-9,
        2.6978864493600803569e-10, -1.2258401549783696834e-11};
#else
    static const float Q[] = {-0.5f, 0.1250000003f, -0.02083313158f, 0.002604154063f, -0.0002615358903f, 2.177131411e-5f};
#endif
    return q * polynomial(Q, sizeof Q / sizeof Q[0] - 1, q, q * q);
#endif
}

/* 2^(n / STEPS) / SMALL for the integer n in the low bits. */
FC_INLINE vec bell_scale(mask n) {
#if STEPS == 8
    /* The bits of 2^(j / 8) / SMALL, less what the shift below leaves of j among its digits; twice, for 16 lanes. */
#define EIGHTHS \
    1602224128, 1601934786, 1601714160, 1601568471, 1601504499, 1601529642, 1601651965, 1601880263
    static const int32_t TABLE[] = {EIGHTHS, EIGHTHS};
#if FC_AVX512
    const mask digits = (mask)_mm512_permutexvar_epi32((__m512i)n, _mm512_loadu_si512(TABLE));
#else
    const mask digits = (mask)_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)TABLE), (__m256i)n);
#endif
    return from_bits((n << (EXPONENT_SHIFT - 3)) + digits);
#else
    return from_bits((n << EXPONENT_SHIFT) + (2 * as_bits(broadcast(1)) - as_bits(broadcast(SMALL))));
#endif
}

/* What a square lost when it was rounded. */
FC_INLINE vec square_rest(vec x, vec square) {
#if FC_AVX512 && FC_DOUBLE
    return (vec)_mm512_fmsub_pd((__m512d)x, (__m512d)x, (__m512d)square);
#elif FC_AVX512
    return (vec)_mm512_fmsub_ps((__m512)x, (__m512)x, (__m512)square);
#elif FC_AVX2 && FC_DOUBLE
    return (vec)_mm256_fmsub_pd((__m256d)x, (__m256d)x, (__m256d)square);
#elif FC_AVX2
    return (vec)_mm256_fmsub_ps((__m256)x, (__m256)x, (__m256)square);
#else
    /* Half of the digits of x have an exact square. */
    const vec high = from_bits(as_bits(x) & mask_of(~(((integer)1 << (FC_DOUBLE ? 27 : 12)) - 1))), low = x - high;
    return (high * high - square) + (high + x) * low;
#endif
}

/* e^(-x^2/2) as SMALL (scale + scale * rise), which is nothing beyond BELL_END, and R(|x|). It is 2^(n / STEPS) e^(-q/2) with
 * q = x^2 + 2 (n / STEPS) ln 2, which takes the square with all its digits. */
typedef struct { vec ratio, scale, rise; } bell;

FC_INLINE bell normal_bell(vec x) {
    const vec size = smaller(broadcast(BELL_END), magnitude(x));
    const vec square = size * size, rest = square_rest(size, square);
    const vec shifted = square * broadcast((real)(-0.5 * 0x1.71547652b82fep+0)) + broadcast(ROUNDER / STEPS);
    const vec n = shifted - broadcast(ROUNDER / STEPS); /* in octaves */
    const vec q = (square + n * broadcast(2 * BELL_LN2_HIGH)) + (n * broadcast(2 * BELL_LN2_LOW) + rest);
    return (bell){normal_tail_ratio(size, square), bell_scale(as_bits(shifted)), bell_rise(q)};
}

/* height e^(-x^2/2), height having been multiplied by the scale. Times SMALL at the end: a denormal result is rounded once. */
FC_INLINE vec under_bell(bell b, vec height) { return (height + height * b.rise) * broadcast(SMALL); }

#endif
