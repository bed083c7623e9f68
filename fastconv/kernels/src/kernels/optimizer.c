/* One step of an optimizer, element by element, in place. */
#include <math.h>

#include "vector.h"

FC_INLINE vec root(vec x) {
#if FC_VECTORS
    FC_UNROLL for (ptrdiff_t i = 0; i < VL; i++) x[i] = (real)sqrt(x[i]); /* becomes one instruction */
    return x;
#else
    return (real)sqrt(x);
#endif
}

/* How many of the next VL elements there are, and vectors of them. */
#define LANES(count, i) ((count) - (i) < VL ? (count) - (i) : VL)

/* g = gradient + decay * p; v = momentum * v + g (velocity NULL: v = g); p -= rate * v. */
void FC_NAME(sgd_step)(ptrdiff_t count, double rate, double momentum, double decay, const void *gradient, void *velocity, void *parameter) {
    const real *slope = gradient;
    real *value = parameter, *speed = velocity;
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t lanes = LANES(count, i);
        const vec p = load_up_to(value + i, lanes);
        vec v = load_up_to(slope + i, lanes) + broadcast((real)decay) * p;
        if (speed) {
            v += broadcast((real)momentum) * load_up_to(speed + i, lanes);
            store_up_to(speed + i, v, lanes);
        }
        store_up_to(value + i, p - broadcast((real)rate) * v, lanes);
    }
}

/* g = gradient + decay * p; m += (1 - beta1) (g - m); s = beta2 s + (1 - beta2) g^2; p -= rate * m / (sqrt(s) / scale + eps). */
void FC_NAME(adam_step)(ptrdiff_t count, double rate, double beta1, double beta2, double scale, double eps, double decay, const void *gradient,
                        void *mean, void *square, void *parameter) {
    const real *slope = gradient;
    real *value = parameter, *m = mean, *s = square;
    for (ptrdiff_t i = 0; i < count; i += VL) {
        const ptrdiff_t lanes = LANES(count, i);
        const vec p = load_up_to(value + i, lanes), g = load_up_to(slope + i, lanes) + broadcast((real)decay) * p;
        const vec first = load_up_to(m + i, lanes);
        const vec average = first + broadcast((real)(1 - beta1)) * (g - first);
        const vec spread = broadcast((real)beta2) * load_up_to(s + i, lanes) + broadcast((real)(1 - beta2)) * (g * g);
        store_up_to(m + i, average, lanes);
        store_up_to(s + i, spread, lanes);
        store_up_to(value + i, p - broadcast((real)rate) * average / (root(spread) / broadcast((real)scale) + broadcast((real)eps)), lanes);
    }
}
