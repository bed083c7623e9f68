/* Losses over classes, from the logarithms of probabilities, and their gradients. A target is a row (its classes side by side) or a column
 * of a matrix (its classes `step` apart, the neighbouring targets side by side). Its loss is
 *     - sum over classes c of weight[c] * q[c] * logs[c],
 * where q is 1 at the target's class and else 0, or given; with label smoothing it is scaled and offset, the same for each class. */
#include "parts.h"

/* weight[c] * (q[c] * scale + offset) for a vector of classes; without a q its part is missing, without weights they are 1. */
FC_INLINE vec class_share(const real *weight, const real *q, ptrdiff_t left, vec scale, vec offset) {
    const vec part = q ? load_up_to(q, left) * scale + offset : offset;
    return weight ? part * load_up_to(weight, left) : part;
}

/* sums[row]: the sum over c of the share, times logs[c] (NULL: times 1). */
void FC_NAME(weigh_rows)(ptrdiff_t rows, ptrdiff_t classes, const void *logs, const void *weight, const void *probabilities, double scale,
                         double offset, void *sums) {
    const real *log = logs, *w = weight, *q = probabilities;
    const vec by = broadcast((real)scale), more = broadcast((real)offset);
    real lanes[VL_ELEMENTS];
    for (ptrdiff_t row = 0; row < rows; row++) {
        vec total = broadcast(0);
        for (ptrdiff_t start = 0; start < classes; start += BLOCK * VL) {
            vec sum = broadcast(0);
            for (ptrdiff_t c = start; c < classes && c < start + BLOCK * VL; c += VL) {
                const ptrdiff_t left = classes - c;
                vec part = class_share(w ? w + c : NULL, q ? q + row * classes + c : NULL, left, by, more);
                if (log) part *= load_up_to(log + row * classes + c, left);
                /* The lanes behind the end have weight and logarithm 0, but not always: an offset alone has neither. */
                if (left < VL && !w && !log) {
                    store(lanes, part);
                    part = load_part(lanes, left);
                }
                sum += part;
            }
            total += sum;
        }
        ((real *)sums)[row] = sum_of_lanes(total);
    }
}

void FC_NAME(weigh_columns)(ptrdiff_t classes, ptrdiff_t columns, const void *logs, ptrdiff_t step, const void *weight,
                            const void *probabilities, ptrdiff_t probabilities_step, double scale, double offset, void *sums) {
    const real *log = logs, *w = weight, *q = probabilities;
    const vec by = broadcast((real)scale), more = broadcast((real)offset);
    for (ptrdiff_t j = 0; j < columns; j += VL) {
        const ptrdiff_t left = columns - j;
        vec total = broadcast(0);
        for (ptrdiff_t start = 0; start < classes; start += BLOCK) {
            vec sum = broadcast(0);
            for (ptrdiff_t c = start; c < classes && c < start + BLOCK; c++) {
                vec part = class_share(NULL, q ? q + c * probabilities_step + j : NULL, left, by, more);
                if (w) part *= broadcast(w[c]);
                if (log) part *= load_up_to(log + c * step + j, left);
                sum += part;
            }
            total += sum;
        }
        store_up_to((real *)sums + j, total, left);
    }
}

/* gradient[c] = gradient[c] * keep[row] - share[c] * slope[row], in place: the gradient holds the probabilities of the softmax. */
void FC_NAME(spread_rows)(ptrdiff_t rows, ptrdiff_t classes, const void *weight, const void *probabilities, double scale, double offset,
                          const void *slope, const void *keep, void *gradient) {
    const real *w = weight, *q = probabilities;
    const vec by = broadcast((real)scale), more = broadcast((real)offset);
    for (ptrdiff_t row = 0; row < rows; row++) {
        const vec g = broadcast(((const real *)slope)[row]), k = broadcast(((const real *)keep)[row]);
        for (ptrdiff_t c = 0; c < classes; c += VL) {
            const ptrdiff_t left = classes - c;
            real *place = (real *)gradient + row * classes + c;
            vec v = load_up_to(place, left) * k;
            if (q || offset != 0) v -= class_share(w ? w + c : NULL, q ? q + row * classes + c : NULL, left, by, more) * g;
            store_up_to(place, v, left);
        }
    }
}

void FC_NAME(spread_columns)(ptrdiff_t classes, ptrdiff_t columns, ptrdiff_t step, const void *weight, const void *probabilities,
                             double scale, double offset, const void *slope, const void *keep, void *gradient) {
    const real *w = weight, *q = probabilities;
    const vec by = broadcast((real)scale), more = broadcast((real)offset);
    for (ptrdiff_t c = 0; c < classes; c++)
        for (ptrdiff_t j = 0; j < columns; j += VL) {
            const ptrdiff_t left = columns - j;
            real *place = (real *)gradient + c * step + j;
            vec v = load_up_to(place, left) * load_up_to((const real *)keep + j, left);
            if (q || offset != 0) {
                vec part = class_share(NULL, q ? q + c * step + j : NULL, left, by, more);
                if (w) part *= broadcast(w[c]);
                v -= part * load_up_to((const real *)slope + j, left);
            }
            store_up_to(place, v, left);
        }
}

/* The targets' own class. Each function below returns 0, or 1 where a target is neither a class nor ignored.
 *
 * losses[i] = -own * weight * logs[target], plus -spread * sums[i] where there are sums; 0 where the target is ignored. total: what the
 * targets weigh together. */
int FC_NAME(pick_losses)(ptrdiff_t count, ptrdiff_t classes, const void *logs, ptrdiff_t target_step, ptrdiff_t class_step,
                         const int64_t *target, int64_t ignored, const void *weight, double own, double spread, const void *sums,
                         void *losses, double *total) {
    const real *log = logs, *w = weight, *sum = sums;
    real *loss = losses;
    double weighed = 0;
    ptrdiff_t counted = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const int64_t c = target[i];
        if (c == ignored) {
            loss[i] = 0;
            continue;
        }
        if (c < 0 || c >= classes) return 1;
        const real picked = log[i * target_step + c * class_step];
        loss[i] = -(w ? w[c] * picked : picked) * (real)own;
        if (sum) loss[i] -= (real)spread * sum[i];
        if (w) weighed += (double)w[c];
        counted++;
    }
    *total = w ? weighed : (double)counted;
    return 0;
}

/* What the targets weigh together. */
int FC_NAME(target_weight)(ptrdiff_t count, ptrdiff_t classes, const int64_t *target, int64_t ignored, const void *weight, double *total) {
    const real *w = weight;
    double weighed = 0;
    ptrdiff_t counted = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const int64_t c = target[i];
        if (c == ignored) continue;
        if (c < 0 || c >= classes) return 1;
        if (w) weighed += (double)w[c];
        counted++;
    }
    *total = w ? weighed : (double)counted;
    return 0;
}

/* slope[i]: gradient[i] (NULL: 1) * factor, 0 where the target is ignored; own[i]: that times the target's weight and `part`; keep[i]: what
 * the probabilities of a softmax are to be multiplied by, own[i] + slope[i] * rest. */
int FC_NAME(target_slopes)(ptrdiff_t count, ptrdiff_t classes, const void *gradient, double factor, const int64_t *target, int64_t ignored,
                           const void *weight, double part, double rest, void *slope, void *own, void *keep) {
    const real *w = weight, *g = gradient;
    for (ptrdiff_t i = 0; i < count; i++) {
        const int64_t c = target[i];
        if (c != ignored && (c < 0 || c >= classes)) return 1;
        const real each = c == ignored ? 0 : g ? g[i] * (real)factor : (real)factor;
        const real mine = w && c != ignored ? each * (real)part * w[c] : each * (real)part;
        ((real *)slope)[i] = each;
        ((real *)own)[i] = mine;
        ((real *)keep)[i] = c == ignored ? 0 : mine + each * (real)rest;
    }
    return 0;
}

/* The same for targets of probabilities: keep[i] holds the sum of the target's shares, and is multiplied by the slope. */
void FC_NAME(share_slopes)(ptrdiff_t count, const void *gradient, double factor, void *slope, void *keep) {
    const real *g = gradient;
    for (ptrdiff_t i = 0; i < count; i++) {
        const real each = g ? g[i] * (real)factor : (real)factor;
        ((real *)slope)[i] = each;
        ((real *)keep)[i] *= each;
    }
}

/* gradient[target] -= own[i], and nothing where it is ignored. The targets have been checked. */
void FC_NAME(pick_gradients)(ptrdiff_t count, const void *own, const int64_t *target, int64_t ignored, ptrdiff_t target_step,
                             ptrdiff_t class_step, void *gradient) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (target[i] != ignored) ((real *)gradient)[i * target_step + target[i] * class_step] -= ((const real *)own)[i];
}
