/* Mean and squared distances of a set of numbers, put together from parts (Chan, Golub, LeVeque: Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances, 1979). In double: the parts of a float32 sum lose nothing here. */
#ifndef FC_MOMENTS_H
#define FC_MOMENTS_H

#include <math.h>

typedef struct {
    double count, mean;
    double squares; /* sum of (x - mean)^2 */
    double strange; /* zero, or the sum of the parts' means that are not finite: what a direct sum would have become */
} fc_moments;

static inline void fc_merge(fc_moments *whole, const fc_moments *part) {
    if (part->count == 0) return;
    const double count = whole->count + part->count, delta = part->mean - whole->mean;
    if (whole->count == 0) {
        *whole = *part;
        return;
    }
    whole->squares += part->squares + delta * delta * (whole->count * part->count / count);
    whole->mean += delta * (part->count / count);
    whole->strange += part->strange;
    whole->count = count;
    if (whole->strange != 0) {
        whole->mean = whole->strange;
        whole->squares = NAN;
    }
}

/* 1 / the standard deviation; negative variances and negative epsilons make a NaN, as they should. */
static inline double fc_inverse(double variance, double epsilon) { return 1 / sqrt(variance + epsilon); }

#endif
