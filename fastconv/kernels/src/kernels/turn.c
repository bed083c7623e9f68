/* Turning planes of pixels so that a vector of channels lies side by side, and back. */
#include "transpose.h"

enum { WHOLE_SQUARES = VL_ELEMENTS % SIDE == 0 };

/* to[x * lanes + c] = from[c * channel_stride + x] for x < columns and c < channels; zero in the other lanes. */
FC_INLINE void turn_row(ptrdiff_t channels, ptrdiff_t columns, const real *from, ptrdiff_t channel_stride, real *to) {
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

void FC_NAME(turn_in)(ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t channel_stride,
                      ptrdiff_t source_row, void *to, ptrdiff_t pitch) {
    for (ptrdiff_t r = 0; r < rows; r++)
        turn_row(channels, columns, (const real *)source + r * source_row, channel_stride, (real *)to + r * pitch);
}

/* to[c * channel_stride + r * output_row + x] = from[r * pitch + x * lanes + c] for c < channels. */
void FC_NAME(turn_out)(ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const void *from, ptrdiff_t pitch, void *output,
                       ptrdiff_t channel_stride, ptrdiff_t output_row) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const real *line = (const real *)from + r * pitch;
        real *to = (real *)output + r * output_row;
        for (ptrdiff_t c = 0; c < channels; c += SIDE) {
            if (WHOLE_SQUARES && c + SIDE <= channels && columns >= SIDE) {
                ptrdiff_t x = 0;
                for (; x + SIDE <= columns; x += SIDE) transpose(line + x * VL + c, VL, to + c * channel_stride + x, channel_stride);
                if (x < columns)
                    transpose(line + (columns - SIDE) * VL + c, VL, to + c * channel_stride + columns - SIDE, channel_stride);
            } else {
                for (ptrdiff_t i = c; i < c + SIDE && i < channels; i++)
                    for (ptrdiff_t x = 0; x < columns; x++) to[i * channel_stride + x] = line[x * VL + i];
            }
        }
    }
}
