/* The normal distribution in vectors: the share of it beyond x, Phi(-|x|), and its density. */
#ifndef FC_NORMAL_H
#define FC_NORMAL_H

#include "exponential.h"

#if FC_DOUBLE
#define BELL_END 39.945 /* where e^(-x^2/2) is 2^-1151 */
#else
#define BELL_END 16.272f /* 2^-191 */
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

/* (e^(-q/2) - 1) / q for |q| <= ln 2: it interpolates at Chebyshev points, which leaves e^(-q/2) off by 1.1e-8 of itself (float32),
 * 8.4e-18. */
FC_INLINE vec bell_quotient(vec q) {
#if FC_DOUBLE
    static const double Q[] = {
        -0.5, 0.12500000000000014042, -0.020833333333333338733, 0.0026041666666608214132, -0.00026041666666644190262,
        0.000021701388957013434658, -1.550099208968788436e-6, 9.6880876355459715841e-8, -5.3822764503411004457e-9,
        2.6978864493600803569e-10, -1.2258401549783696834e-11};
#else
    static const float Q[] = {-0.5f, 0.1250000003f, -0.02083313158f, 0.002604154063f, -0.0002615358903f, 2.177131411e-5f};
#endif
    return polynomial(Q, sizeof Q / sizeof Q[0] - 1, q, q * q);
}

/* e^(-x^2/2) / SMALL, which is nothing beyond BELL_END, and through `ratio` R(|x|). Times SMALL, at the end, a denormal result is rounded
 * once. It is 2^n e^(-q/2) with q = x^2 + 2 n ln 2, which takes the square as it is. n follows the square's larger part, which is there
 * first: so q reaches 1.14 ln 2 where the bell is 2^-126, and leaves it off by 8e-8 there (float32). */
FC_INLINE vec normal_bell(vec x, vec *ratio) {
    const vec size = smaller(broadcast(BELL_END), magnitude(x));
    /* The square in two parts: half of the digits of x have an exact square, and the exponential takes the rest separately. */
    const vec high = from_bits(as_bits(size) & mask_of(~(((integer)1 << (FC_DOUBLE ? 27 : 12)) - 1)));
    const vec square = high * high, rest = (size - high) * (size + high);
    *ratio = normal_tail_ratio(size, square + rest);
    const vec shifted = square * broadcast((real)(-0.5 * 0x1.71547652b82fep+0)) + broadcast(ROUNDER), n = shifted - broadcast(ROUNDER);
    const vec q = (square + n * broadcast(2 * LN2_HIGH)) + n * broadcast(2 * LN2_LOW) + rest;
    const vec scale = from_bits((as_bits(shifted) << EXPONENT_SHIFT) + (2 * as_bits(broadcast(1)) - as_bits(broadcast(SMALL))));
    return q * bell_quotient(q) * scale + scale;
}

#endif
