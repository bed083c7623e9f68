/* The gradients of pooling with windows of 2 x 2 or 3 x 3 at stride 1 or 2: every pixel adds up what the windows that reach it give, in
 * the windows' order, and is written once. A strip is one vector of windows (and those up to two before them) and all rows; it completes
 * `stride` vectors of pixels a row, and the rows that later windows reach wait in registers. */
#include <limits.h>

#include "shuffle.h"

enum { MOST_TAPS = 3, MOST_STRIDE = 2 };

typedef struct {
    ptrdiff_t pad_h, pad_w, W, OH, OW, h0, h1; /* the image's rows h0 <= y < h1 are asked for */
    const real *gradient, *columns, *rows;
    const int64_t *indices;
    real *image;
    mask strange; /* below zero where an index does not even fit into its lane */
} gradient_of;

/* What one strip has of the windows `back` before its own, and of the pixels. */
typedef struct {
    ptrdiff_t window, column;
    ptrdiff_t low[MOST_TAPS], high[MOST_TAPS];         /* lanes whose window exists */
    ptrdiff_t left[MOST_STRIDE], right[MOST_STRIDE];   /* lanes whose pixel exists */
    int whole;
} strip_of;

static const integer LANES[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

FC_INLINE ptrdiff_t clamp_lane(ptrdiff_t lane) { return lane < 0 ? 0 : lane > VL ? VL : lane; }

FC_INLINE mask load_lanes(const integer *p) {
    mask lanes;
    memcpy(&lanes, p, sizeof lanes);
    return lanes;
}

/* VL indices as lanes; where a lane is half an index, `rest` gets the half that must be zero. */
FC_INLINE mask load_indices(const int whole, const int64_t *indices, ptrdiff_t low, ptrdiff_t high, mask *rest) {
#if !FC_VECTORS
    (void)whole;
    *rest = mask_of(0);
    if (low == high) return mask_of(0);
    *rest = mask_of(*indices != (integer)*indices);
    return (integer)*indices;
#elif FC_DOUBLE
    *rest = mask_of(0);
    return as_bits(whole ? load((const real *)indices) : load_between((const real *)indices, low, high, 0));
#else
    const real *halves = (const real *)indices; /* bits, not numbers: they are only moved */
    const mask front = as_bits(whole ? load(halves) : load_between(halves, clamp_lane(2 * low), clamp_lane(2 * high), 0));
    const mask back =
        as_bits(whole ? load(halves + VL) : load_between(halves + VL, clamp_lane(2 * low - VL), clamp_lane(2 * high - VL), 0));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    *rest = evens(front, back);
    return odds(front, back);
#else
    *rest = odds(front, back);
    return evens(front, back);
#endif
#endif
}

FC_INLINE void put(const int whole, vec value, real *row, ptrdiff_t low, ptrdiff_t high) {
    if (whole) store(row, value);
    else if (low < high) store_between(row, value, low, high);
}

FC_INLINE void put_row(const int stride, const int whole, const gradient_of *t, const strip_of *s, ptrdiff_t y, const vec *pixels) {
    if (y < t->h0 || y >= t->h1) return;
    real *row = t->image + y * t->W + s->column;
    if (stride == 1) {
        put(whole, pixels[0], row, s->left[0], s->right[0]);
    } else {
        put(whole, lows(pixels[0], pixels[1]), row, s->left[0], s->right[0]);
        put(whole, highs(pixels[0], pixels[1]), row + VL, s->left[1], s->right[1]);
    }
}

/* Returns, for a maximum, how many indices each lane has met. Tap kw of the window `back` before the lane's own falls on the lane's pixel
 * e where kw = e + back * stride. */
FC_INLINE mask strip(const int maximum, const int K, const int stride, const int whole, gradient_of *t, const strip_of *s) {
    const int backs = (K - 1) / stride + 1;
    vec waiting[MOST_TAPS][MOST_STRIDE], columns[MOST_TAPS];
    mask met = mask_of(0), strange = t->strange, place[MOST_TAPS][MOST_STRIDE];
    FC_UNROLL for (int kh = 0; kh < K; kh++)
        FC_UNROLL for (int e = 0; e < stride; e++) waiting[kh][e] = broadcast(0);
    FC_UNROLL for (int back = 0; back < backs; back++) {
        if (!maximum) columns[back] = load_between(t->columns + s->window - back, s->low[back], s->high[back], 0);
        /* Where the pixel lies in its row. What does not exist lies where no index can be. */
        FC_UNROLL for (int e = 0; e < stride; e++) {
            const mask lane = load_lanes(LANES), x = lane * mask_of(stride) + mask_of((integer)(s->column + e));
            const mask exists = FC_MASK(x >= mask_of(0)) & FC_MASK(x < mask_of((integer)t->W)) &
                                FC_MASK(lane >= mask_of((integer)s->low[back])) & FC_MASK(lane < mask_of((integer)s->high[back]));
            place[back][e] = (exists & x) | (~exists & mask_of(INT_MIN));
        }
    }
    const ptrdiff_t above = t->h0 + t->pad_h - K, below = (t->h1 - 1 + t->pad_h) / stride + 1;
    const ptrdiff_t stop = below < t->OH ? below : t->OH, next = above < 0 ? 0 : above / stride + 1, start = next < stop ? next : stop;
    for (ptrdiff_t i = start; i < stop; i++) {
        const real *gradients = t->gradient + i * t->OW + s->window;
        const ptrdiff_t top = i * stride - t->pad_h;
        vec given[MOST_TAPS], sum[MOST_STRIDE];
        mask index[MOST_TAPS], rest;
        FC_UNROLL for (int back = backs - 1; back >= 0; back--) {
            given[back] = whole ? load(gradients - back) : load_between(gradients - back, s->low[back], s->high[back], 0);
            if (maximum)
                index[back] = load_indices(whole, t->indices + i * t->OW + s->window - back, s->low[back], s->high[back], &rest);
            else given[back] *= broadcast(t->rows[i]) * columns[back];
        }
        if (maximum) {
            strange |= index[0] | (FC_MASK(rest != mask_of(0)));
        } else {
            FC_UNROLL for (int e = 0; e < stride; e++) {
                sum[e] = broadcast(0);
                FC_UNROLL for (int back = backs - 1; back >= 0; back--)
                    if (e + back * stride < K) sum[e] += given[back];
            }
        }
        FC_UNROLL for (int kh = 0; kh < K; kh++) {
            const ptrdiff_t y = top + kh;
            if (maximum && (y < t->h0 || y >= t->h1)) continue;
            FC_UNROLL for (int e = 0; e < stride; e++) {
                if (!maximum) {
                    waiting[kh][e] += sum[e];
                    continue;
                }
                FC_UNROLL for (int back = backs - 1; back >= 0; back--)
                    if (e + back * stride < K) {
                        const mask meets = FC_MASK(index[back] == place[whole ? 0 : back][e] + mask_of((integer)(y * t->W)));
                        waiting[kh][e] += from_bits(meets & as_bits(given[back]));
                        met -= meets;
                    }
            }
        }
        FC_UNROLL for (int kh = 0; kh < stride; kh++) put_row(stride, whole, t, s, top + kh, waiting[kh]);
        FC_UNROLL for (int kh = 0; kh < K; kh++)
            FC_UNROLL for (int e = 0; e < stride; e++) waiting[kh][e] = kh + stride < K ? waiting[kh + stride < K ? kh + stride : 0][e] : broadcast(0);
    }
    t->strange = strange;
    ptrdiff_t y = stop * stride - t->pad_h;
    FC_UNROLL for (int kh = 0; kh < K - stride; kh++, y++) put_row(stride, whole, t, s, y, waiting[kh]);
    const vec zero[MOST_STRIDE] = {broadcast(0), broadcast(0)};
    for (y = y < t->h0 ? t->h0 : y; y < t->h1; y++) put_row(stride, whole, t, s, y, zero);
    return met;
}

FC_INLINE ptrdiff_t strips(const int maximum, const int K, const int stride, gradient_of *t) {
    mask met = mask_of(0);
    for (ptrdiff_t window = 0; window * stride - t->pad_w < t->W; window += VL) {
        strip_of s = {.window = window, .column = window * stride - t->pad_w, .whole = 1};
        for (int back = 0; back * stride < K; back++) {
            s.low[back] = clamp_lane(back - window);
            s.high[back] = clamp_lane(t->OW + back - window);
            s.whole &= s.low[back] == 0 && s.high[back] == VL;
        }
        for (int e = 0; e < stride; e++) {
            s.left[e] = clamp_lane(-(s.column + e * VL));
            s.right[e] = clamp_lane(t->W - (s.column + e * VL));
            s.whole &= s.left[e] == 0 && s.right[e] == VL;
        }
        met += s.whole ? strip(maximum, K, stride, 1, t, &s) : strip(maximum, K, stride, 0, t, &s);
    }
    if (!maximum) return 0;
    integer count[FC_BYTES / sizeof(real)], strange[FC_BYTES / sizeof(real)];
    ptrdiff_t total = 0, wrong = 0;
    memcpy(count, &met, sizeof met);
    memcpy(strange, &t->strange, sizeof met);
    for (ptrdiff_t lane = 0; lane < VL; lane++) total += count[lane], wrong |= strange[lane] < 0;
    return wrong ? -1 : total;
}

FC_INLINE ptrdiff_t sizes(const int maximum, int K, int stride, gradient_of *t) {
    if (stride == 1) return K == 2 ? strips(maximum, 2, 1, t) : strips(maximum, 3, 1, t);
    return K == 2 ? strips(maximum, 2, 2, t) : strips(maximum, 3, 2, t);
}

/* Rows h0 <= h < h1 of the gradient of a mean over windows of K x K. A window's share is gradient * (rows[i] * columns[j]). */
void FC_NAME(mean_gradient)(int K, int stride, ptrdiff_t pad_h, ptrdiff_t pad_w, ptrdiff_t OH, ptrdiff_t OW, const void *gradient,
                            const void *columns, const void *rows, ptrdiff_t h0, ptrdiff_t h1, ptrdiff_t W, void *image) {
    gradient_of t = {pad_h, pad_w, W, OH, OW, h0, h1, gradient, columns, rows, NULL, image, mask_of(0)};
    sizes(0, K, stride, &t);
}

/* The same of a maximum, whose indices are flat in an image of less than 2^31 pixels. Returns how many of them these rows have met, each
 * inside its own window, or -1: when all rows have not met OH * OW, the image lacks the gradients of the others. */
ptrdiff_t FC_NAME(max_gradient)(int K, int stride, ptrdiff_t pad_h, ptrdiff_t pad_w, ptrdiff_t OH, ptrdiff_t OW, const void *gradient,
                                const int64_t *indices, ptrdiff_t h0, ptrdiff_t h1, ptrdiff_t W, void *image) {
    gradient_of t = {pad_h, pad_w, W, OH, OW, h0, h1, gradient, NULL, NULL, indices, image, mask_of(0)};
    return sizes(1, K, stride, &t);
}
