/* Activations and their gradients, element by element: the functions of elementwise.def. */
#include "normal.h"

FC_INLINE vec relu6(vec x) {
    x = rectify(x);
    return pick(FC_MASK(x > broadcast(6)), broadcast(6), x);
}

/* x Phi(x), as max(x, 0) - |x| Phi(-|x|); infinity keeps out of the second term, where it would be times zero, -infinity does not. */
FC_INLINE vec gelu(vec x) {
    const bell b = normal_bell(x);
    return larger(broadcast((real)-0.0), x) - under_bell(b, magnitude(smaller(broadcast(BELL_END), x)) * b.scale * b.ratio);
}

/* Its derivative Phi(x) + x e^(-x^2/2) / sqrt(2 pi), which is 1 less that of -x. */
FC_INLINE vec gelu_slope(vec x) {
    const bell b = normal_bell(x);
    const vec below = under_bell(b, (b.ratio - magnitude(x) * broadcast((real)0.3989422804014326779)) * b.scale);
    return pick(FC_MASK(x < broadcast(0)), below, broadcast(1) - below);
}

/* The form with tanh: (1 + tanh u) / 2 is sigmoid(2 u), and 2 u = sqrt(8 / pi) (x + 0.044715 x^3). */
#define SQRT_8_OVER_PI ((real)1.5957691216057307118)

FC_INLINE vec gelu_argument(vec x) { return broadcast(SQRT_8_OVER_PI) * (x + broadcast((real)0.044715) * (x * x * x)); }

FC_INLINE vec gelu_tanh_slope(vec x) {
    vec rest;
    const vec share = sigmoid_and_rest(gelu_argument(x), &rest);
    const vec steepness = broadcast(SQRT_8_OVER_PI) * (broadcast(1) + broadcast((real)(3 * 0.044715)) * (x * x));
    return share + x * share * rest * steepness;
}

/* x sigmoid(x), which is no denormal yet where the sigmoid is one or nothing: what makes it small is multiplied last. Where the fall ends
 * the sigmoid has long been one. */
FC_INLINE vec silu(vec x) {
    const vec raised = x / (broadcast(SMALL) + fall(larger(broadcast(FALL_LOW), x)));
    return pick(FC_MASK(x > broadcast(FALL_HIGH)), x, raised * broadcast(SMALL));
}

FC_INLINE vec silu_slope(vec x) {
    vec rest;
    const vec share = sigmoid_and_rest(x, &rest);
    return share * (broadcast(1) + x * rest);
}

enum {
#define FC_ELEMENTWISE(name, work, forward, backward) WHICH_##name,
#include "elementwise.def"
#undef FC_ELEMENTWISE
};

/* The end of an array goes through the same loop, as a vector of its own; what stands before the lines likewise. */
void FC_NAME(map_forward)(int function, ptrdiff_t count, const void *input, double parameter, void *output) {
    const ptrdiff_t head = before_lines(output, count), whole = (count - head) / VL * VL, rest = count - head - whole;
    const real *from = (const real *)input + head;
    const vec a = broadcast((real)parameter);
    real *to = (real *)output + head;
    (void)a;
    if (head) FC_NAME(map_forward)(function, head, input, parameter, output);
    switch (function) {
#define FC_ELEMENTWISE(name, work, forward, backward)  \
    case WHICH_##name:                                 \
        for (ptrdiff_t i = 0; i < whole; i += VL) {    \
            const vec x = load_once(from + i);         \
            store(to + i, forward);                    \
        }                                              \
        break;
#include "elementwise.def"
#undef FC_ELEMENTWISE
    }
    if (rest) {
        real part[VL_ELEMENTS];
        store(part, load_part(from + whole, rest));
        FC_NAME(map_forward)(function, VL, part, parameter, part);
        store_part(to + whole, load(part), rest);
    }
}

void FC_NAME(map_backward)(int function, ptrdiff_t count, const void *gradient, const void *kept, double parameter, void *output) {
    const ptrdiff_t head = before_lines(output, count), whole = (count - head) / VL * VL, rest = count - head - whole;
    const real *from = (const real *)gradient + head, *beside = (const real *)kept + head;
    const vec a = broadcast((real)parameter);
    real *to = (real *)output + head;
    if (head) FC_NAME(map_backward)(function, head, gradient, kept, parameter, output);
    switch (function) {
#define FC_ELEMENTWISE(name, work, forward, backward)          \
    case WHICH_##name:                                         \
        for (ptrdiff_t i = 0; i < whole; i += VL) {            \
            const vec g = load_once(from + i), x = load_once(beside + i); \
            store(to + i, backward);                           \
        }                                                      \
        break;
#include "elementwise.def"
#undef FC_ELEMENTWISE
    }
    if (rest) {
        real part[VL_ELEMENTS], other[VL_ELEMENTS];
        store(part, load_part(from + whole, rest));
        store(other, load_part(beside + whole, rest));
        FC_NAME(map_backward)(function, VL, part, other, parameter, part);
        store_part(to + whole, load(part), rest);
    }
}
