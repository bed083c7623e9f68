/* Turning blocks of pixels so that a vector of channels lies side by side, and back. */
#include "turn.h"

/* to[r * pitch + x * lanes + c] = source[c * channel_stride + r * source_row + x] for c < channels; zero in the other lanes. */
void FC_NAME(turn_in)(ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const void *source, ptrdiff_t channel_stride,
                      ptrdiff_t source_row, void *to, ptrdiff_t pitch) {
    for (ptrdiff_t r = 0; r < rows; r++)
        turn_row_in(channels, columns, (const real *)source + r * source_row, channel_stride, (real *)to + r * pitch);
}

/* output[c * channel_stride + r * output_row + x] = from[r * pitch + x * lanes + c] for c < channels. */
void FC_NAME(turn_out)(ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t columns, const void *from, ptrdiff_t pitch, void *output,
                       ptrdiff_t channel_stride, ptrdiff_t output_row) {
    for (ptrdiff_t r = 0; r < rows; r++)
        turn_row_out(channels, columns, (const real *)from + r * pitch, VL, (real *)output + r * output_row, channel_stride);
}
