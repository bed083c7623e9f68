/* The gradient of a mean over windows of 2 x 2 or 3 x 3 at stride 1 or 2: every pixel adds up the shares of the windows that reach it, in a
 * fixed order, and is written once. A strip is one vector of windows (with those up to two before them) and all rows: it completes
 * `stride` vectors of pixels a row, and the rows that later windows reach too wait in registers. */
#include "shuffle.h"

enum { MOST_TAPS = 3, MOST_STRIDE = 2 };

typedef struct {
    ptrdiff_t pad_h, pad_w, W, OH, OW, h0, h1; /* the image's rows h0 <= y < h1 are asked for */
    const real *gradient, *columns, *rows;
    real *image;
} gradient_of;

typedef struct {
    ptrdiff_t window, column;                        /* of the first lane */
    ptrdiff_t low[MOST_TAPS], high[MOST_TAPS];       /* the lanes whose window so many places before exists */
    ptrdiff_t left[MOST_STRIDE], right[MOST_STRIDE]; /* the lanes whose pixel exists */
    int whole;
} strip_of;

FC_INLINE void put(const int whole, vec value, real *row, ptrdiff_t low, ptrdiff_t high) {
    if (whole || high - low == VL) store(row, value);
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

FC_INLINE void strip(const int K, const int stride, const int whole, const gradient_of *t, const strip_of *s) {
    const int befores = (K - 1) / stride + 1;
    vec waiting[MOST_TAPS][MOST_STRIDE], columns[MOST_TAPS];
    FC_UNROLL for (int kh = 0; kh < K; kh++)
        FC_UNROLL for (int e = 0; e < stride; e++) waiting[kh][e] = broadcast(0);
    FC_UNROLL for (int before = 0; before < befores; before++)
        columns[before] = load_between(t->columns + s->window - before, s->low[before], s->high[before], 0);
    /* Windows start <= i < stop reach the rows asked for. */
    const ptrdiff_t above = t->h0 + t->pad_h - K, below = (t->h1 - 1 + t->pad_h) / stride + 1;
    const ptrdiff_t stop = below < t->OH ? below : t->OH, next = above < 0 ? 0 : above / stride + 1, start = next < stop ? next : stop;
    for (ptrdiff_t i = start; i < stop; i++) {
        const real *gradient = t->gradient + i * t->OW + s->window;
        vec share[MOST_TAPS], sum[MOST_STRIDE];
        FC_UNROLL for (int before = 0; before < befores; before++) {
            share[before] = whole ? load(gradient - before) : load_between(gradient - before, s->low[before], s->high[before], 0);
            share[before] *= broadcast(t->rows[i]) * columns[before];
        }
        /* The lane's pixel e lies under tap e + before * stride of the window `before` its own. */
        FC_UNROLL for (int e = 0; e < stride; e++) {
            sum[e] = broadcast(0);
            FC_UNROLL for (int before = befores - 1; before >= 0; before--)
                if (e + before * stride < K) sum[e] += share[before];
        }
        FC_UNROLL for (int kh = 0; kh < K; kh++)
            FC_UNROLL for (int e = 0; e < stride; e++) waiting[kh][e] += sum[e];
        FC_UNROLL for (int kh = 0; kh < stride; kh++) put_row(stride, whole, t, s, i * stride - t->pad_h + kh, waiting[kh]);
        FC_UNROLL for (int kh = 0; kh < K; kh++)
            FC_UNROLL for (int e = 0; e < stride; e++)
                if (kh + stride < K) waiting[kh][e] = waiting[kh + stride][e];
                else waiting[kh][e] = broadcast(0);
    }
    ptrdiff_t y = stop * stride - t->pad_h;
    FC_UNROLL for (int kh = 0; kh < K - stride; kh++, y++) put_row(stride, whole, t, s, y, waiting[kh]);
    const vec zero[MOST_STRIDE] = {broadcast(0), broadcast(0)};
    for (y = y < t->h0 ? t->h0 : y; y < t->h1; y++) put_row(stride, whole, t, s, y, zero);
}

FC_INLINE void strips(const int K, const int stride, const gradient_of *t) {
    for (ptrdiff_t window = 0; window * stride - t->pad_w < t->W; window += VL) {
        strip_of s = {.window = window, .column = window * stride - t->pad_w, .whole = 1};
        for (int before = 0; before * stride < K; before++) {
            s.low[before] = clamp_lane(before - window);
            s.high[before] = clamp_lane(t->OW + before - window);
            s.whole &= s.low[before] == 0 && s.high[before] == VL;
        }
        for (int e = 0; e < stride; e++) {
            s.left[e] = clamp_lane(-(s.column + e * VL));
            s.right[e] = clamp_lane(t->W - (s.column + e * VL));
            s.whole &= s.left[e] == 0 && s.right[e] == VL;
        }
        if (s.whole) strip(K, stride, 1, t, &s);
        else strip(K, stride, 0, t, &s);
    }
}

/* Rows h0 <= h < h1 of the gradient of a mean over windows of K x K. A window's share is gradient * (rows[i] * columns[j]). */
void FC_NAME(mean_gradient)(int K, int stride, ptrdiff_t pad_h, ptrdiff_t pad_w, ptrdiff_t OH, ptrdiff_t OW, const void *gradient,
                            const void *columns, const void *rows, ptrdiff_t h0, ptrdiff_t h1, ptrdiff_t W, void *image) {
    const gradient_of t = {pad_h, pad_w, W, OH, OW, h0, h1, gradient, columns, rows, image};
    if (stride == 1 && K == 2) strips(2, 1, &t);
    else if (stride == 1) strips(3, 1, &t);
    else if (K == 2) strips(2, 2, &t);
    else strips(3, 2, &t);
}
