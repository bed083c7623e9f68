/* A row of pixels, a vector of channels each, turned to lie channel by channel, and the other way round. */
#ifndef FC_TURN_H
#define FC_TURN_H

#include "transpose.h"

enum { WHOLE_SQUARES = VL_ELEMENTS % SIDE == 0 };

/* to[x * lanes + c] = from[c * channel_stride + x] for x < columns and c < channels; zero in the other lanes. */
FC_INLINE void turn_row_in(ptrdiff_t channels, ptrdiff_t columns, const real *from, ptrdiff_t channel_stride, real *to) {
    static const real nothing[SIDE];
    for (ptrdiff_t c = 0; c < VL; c += SIDE) {
        if (!WHOLE_SQUARES || columns < SIDE) {
            for (ptrdiff_t i = c; i < c + SIDE && i < VL; i++)
                for (ptrdiff_t x = 0; x < columns; x++) to[x * VL + i] = i < channels ? from[i * channel_stride + x] : 0;
            continue;
        }
        for (ptrdiff_t x = 0; x < columns; x += SIDE) {
            const ptrdiff_t at = x + SIDE <= columns ? x : columns - SIDE; /* the last square covers some pixels a second time */
            if (c + SIDE <= channels) {
                transpose(from + c * channel_stride + at, channel_stride, to + at * VL + c, VL);
            } else {
                const real *lines[SIDE];
                for (int i = 0; i < SIDE; i++) lines[i] = c + i < channels ? from + (c + i) * channel_stride + at : nothing;
                transpose_lines(lines, to + at * VL + c, VL);
            }
        }
    }
}

/* to[c * channel_stride + x] = from[x * from_step + c] for x < columns and c < channels. Of a pixel whole squares of channels are read. */
FC_INLINE void turn_row_out(ptrdiff_t channels, ptrdiff_t columns, const real *from, ptrdiff_t from_step, real *to, ptrdiff_t channel_stride) {
    for (ptrdiff_t c = 0; c < channels; c += SIDE) {
        if (!WHOLE_SQUARES) {
            for (ptrdiff_t i = c; i < c + SIDE && i < channels; i++)
                for (ptrdiff_t x = 0; x < columns; x++) to[i * channel_stride + x] = from[x * from_step + i];
            continue;
        }
        for (ptrdiff_t x = 0; x < columns; x += SIDE) {
            const ptrdiff_t at = x + SIDE <= columns || columns < SIDE ? x : columns - SIDE, here = columns < SIDE ? columns : SIDE;
            if (c + SIDE <= channels && here == SIDE) {
                transpose(from + at * from_step + c, from_step, to + c * channel_stride + at, channel_stride);
            } else {
                const real *lines[SIDE];
                real square[SIDE * SIDE];
                for (ptrdiff_t i = 0; i < SIDE; i++) lines[i] = from + (at + (i < here ? i : 0)) * from_step + c;
                transpose_lines(lines, square, SIDE);
                for (ptrdiff_t i = 0; i < SIDE && c + i < channels; i++)
                    store_part(to + (c + i) * channel_stride + at, load_part(square + i * SIDE, here), here);
            }
        }
    }
}

#endif
