/* Losses with the images in the lanes: the outputs of a class are one vector. */
#include <math.h>

#include "exponential.h"

FC_INLINE vec at(const real *outputs, ptrdiff_t class) { return load(outputs + class * VL); }

/* What a lane holds that has no image. */
FC_INLINE real live(ptrdiff_t lane, ptrdiff_t images, double scale) { return lane < images ? (real)scale : 0; }

/* Per image: losses[i], and whether the first of the largest outputs is that of its label (hits[i]). With gradient not NULL, the derivative
 * of scale * the sum of the losses; zero in the lanes without an image. squared: (output - [class = label])^2 summed over the classes;
 * otherwise the cross entropy. */
void FC_NAME(lane_loss)(int squared, ptrdiff_t classes, ptrdiff_t images, const void *outputs, const int64_t *labels, double scale,
                        void *gradient, double *losses, int64_t *hits) {
    const real *from = outputs;
    real *to = gradient, scales[VL_ELEMENTS], lane_of[VL_ELEMENTS], sums[VL_ELEMENTS], tops[VL_ELEMENTS];
    vec top = at(from, 0), first = broadcast(0), sum = broadcast(0);
    for (ptrdiff_t i = 0; i < VL; i++) scales[i] = live(i, images, scale);
    const vec factor = load(scales);
    for (ptrdiff_t c = 1; c < classes; c++) {
        const mask better = FC_MASK(at(from, c) > top);
        top = pick(better, at(from, c), top);
        first = pick(better, broadcast((real)c), first);
    }
    store(lane_of, first);
    store(tops, top);
    if (squared) {
        for (ptrdiff_t c = 0; c < classes; c++) {
            real target[VL_ELEMENTS];
            for (ptrdiff_t i = 0; i < VL; i++) target[i] = i < images && labels[i] == c;
            const vec off = at(from, c) - load(target);
            sum += off * off;
            if (to) store(to + c * VL, pick(FC_MASK(factor > broadcast(0)), (off + off) * factor, broadcast(0)));
        }
        store(sums, sum);
        for (ptrdiff_t i = 0; i < images; i++) losses[i] = (double)sums[i];
    } else {
        for (ptrdiff_t c = 0; c < classes; c++) sum += exponential(at(from, c) - top);
        store(sums, sum);
        for (ptrdiff_t i = 0; i < images; i++)
            losses[i] = log((double)sums[i]) + ((double)tops[i] - (double)from[labels[i] * VL + i]);
        if (to) {
            for (ptrdiff_t c = 0; c < classes; c++) {
                const vec share = exponential(at(from, c) - top) / sum;
                store(to + c * VL, pick(FC_MASK(factor > broadcast(0)), share * factor, broadcast(0)));
            }
            for (ptrdiff_t i = 0; i < images; i++) to[labels[i] * VL + i] -= scales[i];
        }
    }
    for (ptrdiff_t i = 0; i < images; i++) hits[i] = lane_of[i] == (real)labels[i];
}
