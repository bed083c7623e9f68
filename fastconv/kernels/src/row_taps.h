/* The elements of an image row under neighbouring taps, for a vector of outputs at stride 1 or 2, read from the image as it lies:
 * lanes that fall outside the row take a filler and are not read. */
#ifndef FC_ROW_TAPS_H
#define FC_ROW_TAPS_H

#include "shuffle.h"

enum { MOST_TAPS = 3, ROW_LOADS = 3 };

/* The vectors that one row takes: where each begins, and which of its lanes lie inside. */
typedef struct {
    ptrdiff_t start[ROW_LOADS], low[ROW_LOADS], high[ROW_LOADS];
    int whole;
} row_span;

/* `column`: the first tap of the first output; W: the row's length. */
FC_INLINE row_span span_of(const int stride, const int taps, ptrdiff_t column, ptrdiff_t W) {
    row_span span = {.whole = 1};
    if (column >= 0 && column + (stride == 1 ? VL + taps - 1 : 2 * VL + (taps == 3)) <= W) { /* nearly all */
        FC_UNROLL for (int j = 0; j < ROW_LOADS; j++)
            span.start[j] = column + (stride == 1 ? j : j * VL), span.low[j] = 0, span.high[j] = VL;
        return span;
    }
    for (int j = 0; j < (stride == 1 ? taps : 3); j++) {
        const ptrdiff_t x = column + (stride == 1 ? j : j * VL);
        span.start[j] = x;
        span.low[j] = clamp_lane(-x);
        span.high[j] = clamp_lane(W - x);
        if (span.high[j] < span.low[j]) span.high[j] = span.low[j];
        if (stride == 1 || j < 2) span.whole &= span.low[j] == 0 && span.high[j] == VL;
        else span.whole &= taps < 3 || span.high[j] > span.low[j]; /* of the third vector one element counts */
    }
    return span;
}

FC_INLINE void load_row(const int stride, const int taps, const int whole, const real *row, const row_span *span, real filler, vec *pixels) {
    vec loaded[ROW_LOADS];
    const int loads = stride == 1 ? taps : 2;
    FC_UNROLL for (int j = 0; j < loads; j++)
        loaded[j] = whole ? load_once(row + span->start[j]) : load_between(row + span->start[j], span->low[j], span->high[j], filler);
    if (stride == 1) {
        FC_UNROLL for (int j = 0; j < taps; j++) pixels[j] = loaded[j];
    } else {
        pixels[0] = evens(loaded[0], loaded[1]);
        pixels[1] = odds(loaded[0], loaded[1]);
        if (taps == 3) {
            const vec last = broadcast(span->high[2] > 0 && span->low[2] == 0 ? row[span->start[2]] : filler);
            pixels[2] = nexts(pixels[0], last);
        }
    }
}

#endif
