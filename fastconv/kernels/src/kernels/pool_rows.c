/* Pooling with windows of 2 or 3 columns and any number of rows, at stride 1 or 2, of a plane as it lies in memory. A strip is one vector
 * of output columns and all rows. */
#include <math.h>

#include "row_taps.h"

enum { MAXIMUM, ARGMAXIMUM, MEAN };
enum { RUN_ROWS = 16 }; /* vectors of results between two looks for doubts */

typedef struct {
    ptrdiff_t KH, rows, columns, H, W, top, left;
    const real *source, *divisors, *factors;
    real *output;
    int64_t *indices;
} plane_of;

/* Larger, or a NaN: a NaN stays, and the first of equal values is kept. */
FC_INLINE mask wins(vec value, vec best) { return FC_MASK(value > best) | FC_MASK(value != value); }

FC_INLINE int any(mask m, ptrdiff_t lanes) {
    integer lane[FC_BYTES / sizeof(real)], found = 0;
    memcpy(lane, &m, sizeof m);
    if (lanes >= VL)
        FC_UNROLL for (ptrdiff_t i = 0; i < VL; i++) found |= lane[i];
    else
        for (ptrdiff_t i = 0; i < lanes; i++) found |= lane[i];
    return found != 0;
}

/* The maximum of the taps in one row of the plane, of equals the first; doubt where a NaN may be among them. */
FC_INLINE vec row_maximum(const int KW, const int whole, const plane_of *t, const row_span *span, ptrdiff_t y, mask *doubt) {
    vec best = broadcast(-INFINITY), total = broadcast(0), pixels[MOST_TAPS];
    if (y < 0 || y >= t->H) return best;
    load_row(1, KW, whole, t->source + y * t->W, span, -INFINITY, pixels);
    FC_UNROLL for (int kw = 0; kw < KW; kw++) best = kw ? larger(pixels[kw], best) : pixels[0];
    FC_UNROLL for (int kw = 0; kw < KW; kw++) total = kw ? total + pixels[kw] : pixels[0];
    *doubt |= FC_MASK(total != total);
    return best;
}

/* The same for square windows at stride 1, which share the maxima of their rows. */
FC_INLINE mask square_strip(const int KW, const int whole, const plane_of *t, const row_span *span, ptrdiff_t column, mask doubt) {
    vec rows[MOST_TAPS];
    FC_UNROLL for (int kh = 1; kh < KW; kh++) rows[kh] = row_maximum(KW, whole, t, span, t->top + kh - 1, &doubt);
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        FC_UNROLL for (int kh = 1; kh < KW; kh++) rows[kh - 1] = rows[kh];
        rows[KW - 1] = row_maximum(KW, whole, t, span, t->top + r + KW - 1, &doubt);
        vec best = rows[0];
        FC_UNROLL for (int kh = 1; kh < KW; kh++) best = larger(rows[kh], best);
        store_up_to(t->output + r * t->columns + column, best, t->columns - column);
    }
    return doubt;
}

/* Not `careful`: doubt where a NaN may be among the taps; then the maximum has to be taken again with care. */
FC_INLINE mask maximum_strip(const int stride, const int KW, const int whole, const int careful, const plane_of *t, const row_span *span,
                             ptrdiff_t column, mask doubt) {
    if (stride == 1 && !careful && t->KH == KW) return square_strip(KW, whole, t, span, column, doubt);
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        const ptrdiff_t y = t->top + r * stride;
        vec best = broadcast(-INFINITY), total = broadcast(0), pixels[MOST_TAPS];
        for (ptrdiff_t kh = y < 0 ? -y : 0; kh < t->KH && y + kh < t->H; kh++) {
            load_row(stride, KW, whole, t->source + (y + kh) * t->W, span, -INFINITY, pixels);
            FC_UNROLL for (int kw = 0; kw < KW; kw++) {
                if (careful) {
                    best = pick(wins(pixels[kw], best), pixels[kw], best);
                } else {
                    best = larger(pixels[kw], best);
                    total += pixels[kw]; /* a NaN where a tap is one, or where infinities meet */
                }
            }
        }
        if (!careful) doubt |= FC_MASK(total != total);
        store_up_to(t->output + r * t->columns + column, best, t->columns - column);
    }
    return doubt;
}

/* False where a window holds nothing above minus infinity and `careful` is off. */
FC_INLINE int argmaximum_strip(const int stride, const int KW, const int whole, const int careful, const plane_of *t, const row_span *span,
                               ptrdiff_t column) {
    const ptrdiff_t lanes = t->columns - column < VL ? t->columns - column : VL;
    mask doubt = mask_of(0);
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        const ptrdiff_t y = t->top + r * stride, first = y < 0 ? -y : 0;
        vec best = broadcast(-INFINITY), pixels[MOST_TAPS];
        mask winner = mask_of(-1); /* the offset from the window's first element */
        for (ptrdiff_t kh = first; kh < t->KH && y + kh < t->H; kh++) {
            load_row(stride, KW, whole, t->source + (y + kh) * t->W, span, -INFINITY, pixels);
            FC_UNROLL for (int kw = 0; kw < KW; kw++) {
                const mask better = wins(pixels[kw], best), offset = mask_of((integer)(kh * t->W + kw));
                best = pick(better, pixels[kw], best);
                winner = (better & offset) | (~better & winner);
            }
        }
        store_up_to(t->output + r * t->columns + column, best, t->columns - column);
        doubt |= FC_MASK(winner < mask_of(0));
        integer offset[FC_BYTES / sizeof(real)];
        memcpy(offset, &winner, sizeof winner);
        int64_t *indices = t->indices + r * t->columns + column;
        const int64_t origin = y * t->W + t->left + column * stride;
        for (ptrdiff_t lane = 0; lane < lanes; lane++) indices[lane] = origin + lane * stride + offset[lane];
        for (ptrdiff_t lane = 0; careful && lane < lanes; lane++)
            if (offset[lane] < 0) { /* the window's first element inside the image */
                const ptrdiff_t x = t->left + (column + lane) * stride, inside = y + first < t->H ? y + first : t->H - 1;
                indices[lane] = inside * t->W + (x < 0 ? 0 : x < t->W ? x : t->W - 1);
            }
    }
    return careful || !any(doubt, lanes);
}

/* The sum of the taps in one row of the plane; zero outside of it. */
FC_INLINE vec row_sum(const int stride, const int KW, const int whole, const plane_of *t, const row_span *span, ptrdiff_t y) {
    if (y < 0 || y >= t->H) return broadcast(0);
    vec pixels[MOST_TAPS], total;
    load_row(stride, KW, whole, t->source + y * t->W, span, 0, pixels);
    FC_UNROLL for (int kw = 0; kw < KW; kw++) total = kw ? total + pixels[kw] : pixels[0];
    return total;
}

/* Each row of a window is summed, then the rows: square windows at stride 1 share the sums of their rows. */
FC_INLINE void mean_strip(const int stride, const int KW, const int whole, const plane_of *t, const row_span *span, ptrdiff_t column) {
    const ptrdiff_t lanes = t->columns - column < VL ? t->columns - column : VL;
    const int square = stride == 1 && t->KH == KW;
    vec divisors = broadcast(1), rows[MOST_TAPS];
    if (t->factors) divisors = lanes == VL ? load(t->divisors + column) : load_part(t->divisors + column, lanes);
    FC_UNROLL for (int kh = 1; kh < KW; kh++) rows[kh] = square ? row_sum(1, KW, whole, t, span, t->top + kh - 1) : broadcast(0);
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        const ptrdiff_t y = t->top + r * stride;
        vec total = broadcast(0);
        if (square) {
            FC_UNROLL for (int kh = 1; kh < KW; kh++) rows[kh - 1] = rows[kh];
            rows[KW - 1] = row_sum(1, KW, whole, t, span, y + KW - 1);
            FC_UNROLL for (int kh = 0; kh < KW; kh++) total += rows[kh];
        } else {
            for (ptrdiff_t kh = 0; kh < t->KH; kh++) total += row_sum(stride, KW, whole, t, span, y + kh);
        }
        if (t->factors) total /= divisors * broadcast(t->factors[r]);
        store_up_to(t->output + r * t->columns + column, total, lanes);
    }
}

/* Where the strip begins: the last one is a whole vector too, and takes some columns twice. */
FC_INLINE ptrdiff_t strip_at(const plane_of *t, ptrdiff_t column) {
    return column + VL > t->columns && t->columns >= VL ? t->columns - VL : column;
}

FC_INLINE void plane(const int operation, const int stride, const int KW, const plane_of *t) {
    if (operation == MAXIMUM) {
        const ptrdiff_t run = (t->rows < RUN_ROWS ? RUN_ROWS / t->rows : 1) * VL; /* looking for doubts takes as long as some rows */
        for (ptrdiff_t first = 0; first < t->columns; first += run) {
            const ptrdiff_t end = first + run < t->columns ? first + run : t->columns;
            mask doubt = mask_of(0);
            for (ptrdiff_t strip = first; strip < end; strip += VL) {
                const ptrdiff_t column = strip_at(t, strip);
                const row_span span = span_of(stride, KW, t->left + column * stride, t->W);
                doubt = span.whole ? maximum_strip(stride, KW, 1, 0, t, &span, column, doubt)
                                   : maximum_strip(stride, KW, 0, 0, t, &span, column, doubt);
            }
            if (any(doubt, VL))
                for (ptrdiff_t strip = first; strip < end; strip += VL) {
                    const ptrdiff_t column = strip_at(t, strip);
                    const row_span span = span_of(stride, KW, t->left + column * stride, t->W);
                    maximum_strip(stride, KW, 0, 1, t, &span, column, doubt);
                }
        }
        return;
    }
    for (ptrdiff_t strip = 0; strip < t->columns; strip += VL) {
        const ptrdiff_t column = strip_at(t, strip);
        const row_span span = span_of(stride, KW, t->left + column * stride, t->W);
        if (operation == ARGMAXIMUM) {
            if (!(span.whole ? argmaximum_strip(stride, KW, 1, 0, t, &span, column)
                             : argmaximum_strip(stride, KW, 0, 0, t, &span, column)))
                argmaximum_strip(stride, KW, 0, 1, t, &span, column);
        } else {
            if (span.whole) mean_strip(stride, KW, 1, t, &span, column);
            else mean_strip(stride, KW, 0, t, &span, column);
        }
    }
}

/* `rows` rows of `columns` outputs of the plane (H, W); window (0, 0) begins at (top, left). indices (of the maximum, flat in the plane)
 * may be NULL; with divisors (a column) and factors (a row) not NULL the mean is taken instead: sum / (divisor * factor), and the sum
 * where only the factors are NULL. */
void FC_NAME(pool_rows)(ptrdiff_t KH, int KW, int stride, ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t H, ptrdiff_t W,
                        ptrdiff_t top, ptrdiff_t left, const void *divisors, const void *factors, void *output, int64_t *indices) {
    const plane_of t = {KH, rows, columns, H, W, top, left, source, divisors, factors, output, indices};
#define SIZES(operation)                                   \
    if (stride == 1 && KW == 2) plane(operation, 1, 2, &t); \
    else if (stride == 1) plane(operation, 1, 3, &t);       \
    else if (KW == 2) plane(operation, 2, 2, &t);           \
    else plane(operation, 2, 3, &t)
    if (divisors) { SIZES(MEAN); }
    else if (indices) { SIZES(ARGMAXIMUM); }
    else { SIZES(MAXIMUM); }
}

/* The transpose of a mean along one row of the image: row[w] = the sum of the windows' shares that reach column w, at stride 1 or 2.
 * shares: `count` rows, `pitch` apart, that are added up first; sums: room for KW + columns + 2 * VL elements. */
void FC_NAME(spread_row)(ptrdiff_t KW, int stride, ptrdiff_t left, ptrdiff_t columns, ptrdiff_t count, const void *shares, ptrdiff_t pitch,
                         void *sums, void *row, ptrdiff_t W) {
    const real *from = shares;
    real *total = (real *)sums + KW, *to = row;
    for (ptrdiff_t q = -KW; q < 0; q++) total[q] = 0;
    for (ptrdiff_t q = 0; q < columns; q += VL) {
        vec sum = broadcast(0);
        const ptrdiff_t lanes = columns - q;
        for (ptrdiff_t i = 0; i < count; i++) sum += lanes >= VL ? load(from + i * pitch + q) : load_part(from + i * pitch + q, lanes);
        store(total + q, sum);
    }
    for (ptrdiff_t q = columns; q < columns + VL; q++) total[q] = 0;
    for (ptrdiff_t w = 0; w < W; w += stride * VL) {
        vec phase[2];
        for (int b = 0; b < stride; b++) {
            /* Column w + b lies left + w + b elements behind the start of window 0; its windows begin 0 ... KW - 1 before it. */
            const ptrdiff_t place = b + left, first = w / stride + place / stride;
            vec sum = broadcast(0);
            for (ptrdiff_t tap = place % stride, back = 0; tap < KW; tap += stride, back++)
                if (first - back < columns) sum += load(total + first - back);
            phase[b] = sum;
        }
        if (stride == 1) {
            store_up_to(to + w, phase[0], W - w);
        } else {
            store_up_to(to + w, lows(phase[0], phase[1]), W - w);
            if (W - w > VL) store_up_to(to + w + VL, highs(phase[0], phase[1]), W - w - VL);
        }
    }
}
