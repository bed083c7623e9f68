/* A row of pixels, a vector of channels each, turned to lie channel by channel, and the other way round. */
#ifndef FC_TURN_H
#define FC_TURN_H

#include "transpose.h"

enum { WHOLE_SQUARES = VL_ELEMENTS % SIDE == 0 };

/* to[x * lanes + c] = from[c * channel_stride + x] for x < columns and c < channels; zero in the other lanes. */
FC_INLINE void turn_row_in(ptrdiff_t channels, ptrdiff_t columns, const real *from, ptrdiff_t channel_stride, real *to) {
    for (ptrdiff_t c = 0; c < VL; c += SIDE) {
        if (WHOLE_SQUARES && c + SIDE <= channels && columns >= SIDE) {
            ptrdiff_t x = 0;
            for (; x + SIDE <= columns; x += SIDE) transpose(from + c * channel_stride + x, channel_stride, to + x * VL + c, VL);
            if (x < columns) /* the last square covers some pixels a second time */
                transpose(from + c * channel_stride + columns - SIDE, channel_stride, to + (columns - SIDE) * VL + c, VL);
        } else {
            for (ptrdiff_t i = c; i < c + SIDE && i < VL; i++)
                for (ptrdiff_t x = 0; x < columns; x++) to[x * VL + i] = i < channels ? from[i * channel_stride + x] : 0;
        }
    }
}

/* to[c * channel_stride + x] = from[x * from_step + c] for x < columns and c < channels. */
FC_INLINE void turn_row_out(ptrdiff_t channels, ptrdiff_t columns, const real *from, ptrdiff_t from_step, real *to, ptrdiff_t channel_stride) {
    for (ptrdiff_t c = 0; c < channels; c += SIDE) {
        if (WHOLE_SQUARES && c + SIDE <= channels && columns < SIDE) {
            const real *lines[SIDE];
            real square[SIDE * SIDE];
            for (ptrdiff_t x = 0; x < SIDE; x++) lines[x] = from + (x < columns ? x : columns - 1) * from_step + c;
            transpose_lines(lines, square, SIDE);
            for (ptrdiff_t i = 0; i < SIDE; i++) store_part(to + (c + i) * channel_stride, load_part(square + i * SIDE, columns), columns);
        } else if (WHOLE_SQUARES && c + SIDE <= channels) {
            ptrdiff_t x = 0;
            for (; x + SIDE <= columns; x += SIDE) transpose(from + x * from_step + c, from_step, to + c * channel_stride + x, channel_stride);
            if (x < columns)
                transpose(from + (columns - SIDE) * from_step + c, from_step, to + c * channel_stride + columns - SIDE, channel_stride);
        } else {
            for (ptrdiff_t i = c; i < c + SIDE && i < channels; i++)
                for (ptrdiff_t x = 0; x < columns; x++) to[i * channel_stride + x] = from[x * from_step + i];
        }
    }
}

#endif
