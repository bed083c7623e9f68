/* The gradient of a maximum over windows of 2 x 2 at stride 2, or of 2 along a signal, that lie inside it and side by side: each window
 * writes its own pixels, its gradient where its index points and zeros beside it. Nothing is cleared first, nothing is read back. */
#include "shuffle.h"

#if FC_AVX512
static const integer LANES[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

typedef struct {
    mask place[2][2]; /* of a window's pixels from the first one of the vector on */
    mask met;         /* how many indices pointed at a pixel of their own window */
    mask rest;        /* nonzero where an index has more bits than its lane: such a one may have met a pixel, and must not count */
} seen;

/* VL indices as lanes: whole ones, or their lower halves. */
FC_INLINE mask load_indices(const int whole, const int64_t *indices, ptrdiff_t lanes, mask *rest) {
    const real *bits = (const real *)indices; /* not numbers: they are only moved */
#if FC_DOUBLE
    *rest = mask_of(0);
    return as_bits(whole ? load(bits) : load_part(bits, lanes));
#else
    const mask front = as_bits(whole ? load(bits) : load_part(bits, clamp_lane(2 * lanes)));
    const mask back = as_bits(whole ? load(bits + VL) : load_part(bits + VL, clamp_lane(2 * lanes - VL)));
    *rest = odds(front, back);
    return evens(front, back);
#endif
}

/* VL windows, or the first `lanes` of them, and `pixels` columns of the image below them. */
FC_INLINE void vector(const int KH, const int whole, seen *s, const real *gradient, const int64_t *indices, ptrdiff_t lanes,
                      ptrdiff_t pixels, ptrdiff_t origin, real *row, ptrdiff_t W) {
    mask rest;
    const vec given = (whole ? load(gradient) : load_part(gradient, lanes)) + broadcast(0); /* a sum is never -0.0 */
    const mask index = load_indices(whole, indices, lanes, &rest), from = index - mask_of((integer)origin);
    s->rest |= rest;
    FC_UNROLL for (int kh = 0; kh < KH; kh++) {
        const lane_set first = equals(from, s->place[kh][0]), second = equals(from, s->place[kh][1]);
        const vec left = only_where(first, given), right = only_where(second, given);
        real *to = row + kh * W;
        s->met = count_where(second, count_where(first, s->met));
        if (whole) {
            store(to, lows(left, right));
            store(to + VL, highs(left, right));
        } else {
            store_part(to, lows(left, right), clamp_lane(pixels));
            if (pixels > VL) store_part(to + VL, highs(left, right), clamp_lane(pixels - VL));
        }
    }
}

FC_INLINE int plane(const int KH, ptrdiff_t OH, ptrdiff_t OW, const real *gradient, const int64_t *indices, ptrdiff_t H, ptrdiff_t W,
                    real *image) {
    const ptrdiff_t whole = OW / VL * VL, lanes = OW - whole;
    const mask lane = mask_of(2) * as_bits(load((const real *)LANES));
    seen s = {.met = mask_of(0), .rest = mask_of(0)};
    for (int kh = 0; kh < KH; kh++)
        for (int kw = 0; kw < 2; kw++) s.place[kh][kw] = lane + mask_of((integer)(kh * W + kw));
    /* A lane without a window has the index 0, which lies at or before its vector's origin and meets nothing. */
    for (ptrdiff_t i = 0; i < OH; i++, gradient += OW, indices += OW, image += KH * W) {
        const ptrdiff_t origin = KH * i * W, x = 2 * whole;
        for (ptrdiff_t j = 0; j < whole; j += VL)
            vector(KH, 1, &s, gradient + j, indices + j, VL, 2 * VL, origin + 2 * j, image + 2 * j, W);
        if (W > x) vector(KH, 0, &s, gradient + whole, indices + whole, lanes, W - x, origin + x, image + x, W);
    }
    for (ptrdiff_t i = 0; i < (H - KH * OH) * W; i++) image[i] = 0;
    const mask met = s.met & FC_MASK(s.rest == mask_of(0));
    integer lanes_met[FC_BYTES / sizeof(real)];
    ptrdiff_t total = 0;
    memcpy(lanes_met, &met, sizeof met);
    for (ptrdiff_t i = 0; i < VL; i++) total += lanes_met[i];
    return total == OH * OW;
}
#endif

/* For a plane (H, W) of less than 2^31 pixels; where H is 1 it is a signal, and so are its windows. False where an index points out of its
 * own window, or where there is nothing to win: the image is then not what it should be. */
int FC_NAME(max_gradient)(ptrdiff_t OH, ptrdiff_t OW, const void *gradient, const int64_t *indices, ptrdiff_t H, ptrdiff_t W, void *image) {
#if FC_AVX512
    return H == 1 ? plane(1, OH, OW, gradient, indices, H, W, image) : plane(2, OH, OW, gradient, indices, H, W, image);
#else /* without registers for masks it takes longer than to follow the indices one by one */
    (void)OH, (void)OW, (void)gradient, (void)indices, (void)H, (void)W, (void)image;
    return 0;
#endif
}
