/* Activations and their gradients, element by element. */
#include "exponential.h"

FC_INLINE vec magnitude(vec x) { return pick(FC_MASK(x < broadcast(0)), broadcast(0) - x, x); }

/* 1 / (1 + e^-x), by e^-|x| so that neither side loses its small values. */
FC_INLINE vec sigmoid(vec x) {
    const vec e = exponential(broadcast(0) - magnitude(x));
    return pick(FC_MASK(x < broadcast(0)), e, broadcast(1)) / (broadcast(1) + e);
}

/* Near zero x + x^3 P(x^2)/Q(x^2), the rational approximation of Moshier's Cephes library (tanh.c); beyond, 1 - 2 / (e^2|x| + 1). */
FC_INLINE vec tangent(vec x) {
    const vec z = x * x, size = magnitude(x);
    const vec p = (broadcast((real)-9.64399179425052238628e-1) * z + broadcast((real)-9.92877231001918586564e1)) * z +
                  broadcast((real)-1.61468768441708447952e3);
    const vec q = ((z + broadcast((real)1.12811678491632931402e2)) * z + broadcast((real)2.23548839060100448583e3)) * z +
                  broadcast((real)4.84406305325125486048e3);
    const vec near = x + x * (z * p / q);
    vec far = broadcast(1) - broadcast(2) / (exponential(size + size) + broadcast(1));
    far = pick(FC_MASK(x < broadcast(0)), broadcast(0) - far, far);
    return pick(FC_MASK(size > broadcast((real)0.625)), far, near); /* a NaN takes the near branch and stays one */
}

#define UNARY(name, expression)                                                        \
    void FC_NAME(name)(ptrdiff_t count, const void *input, void *output) {             \
        const real *from = input;                                                      \
        real *to = output;                                                             \
        ptrdiff_t i = 0;                                                               \
        for (; i + VL <= count; i += VL) {                                             \
            const vec x = load(from + i);                                              \
            store(to + i, expression);                                                 \
        }                                                                              \
        if (i < count) {                                                               \
            const vec x = load_part(from + i, count - i);                              \
            store_part(to + i, expression, count - i);                                 \
        }                                                                              \
    }

#define BINARY(name, expression)                                                                  \
    void FC_NAME(name)(ptrdiff_t count, const void *gradient, const void *other, void *output) {  \
        const real *from = gradient, *beside = other;                                             \
        real *to = output;                                                                        \
        ptrdiff_t i = 0;                                                                          \
        for (; i + VL <= count; i += VL) {                                                        \
            const vec g = load(from + i), x = load(beside + i);                                   \
            store(to + i, expression);                                                            \
        }                                                                                         \
        if (i < count) {                                                                          \
            const vec g = load_part(from + i, count - i), x = load_part(beside + i, count - i);   \
            store_part(to + i, expression, count - i);                                            \
        }                                                                                         \
    }

UNARY(relu_forward, rectify(x))
UNARY(sigmoid_forward, sigmoid(x))
UNARY(tanh_forward, tangent(x))
BINARY(relu_backward, pick(FC_MASK(x <= broadcast(0)), broadcast(0), g)) /* x: the input */
BINARY(sigmoid_backward, g * (broadcast(1) - x) * x)                      /* x: the output */
BINARY(tanh_backward, g * (broadcast(1) - x * x))                         /* x: the output */
