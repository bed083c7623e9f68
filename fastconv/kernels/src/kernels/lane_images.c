/* Images into the lanes: a vector holds one pixel of as many images. */
#include "transpose.h"

enum { PIECE = 64, WHOLE_SQUARES = VL_ELEMENTS % SIDE == 0 };

FC_INLINE void put_square(const real *lines, ptrdiff_t x, ptrdiff_t lane, real *output) {
    transpose(lines + lane * PIECE + x, PIECE, output + x * VL + lane, VL);
}

/* output[x * lanes + i] = rows[i][x] (bytes: * scale - shift) for x < count and i < images; zero in the other lanes. */
void FC_NAME(lane_images)(int bytes, ptrdiff_t images, ptrdiff_t count, const void *const *rows, double scale, double shift, void *output) {
    real lines[VL_ELEMENTS * PIECE];
    const real factor = (real)scale, less = (real)shift;
    for (ptrdiff_t i = images * PIECE; i < VL * PIECE; i++) lines[i] = 0;
    for (ptrdiff_t x0 = 0; x0 < count; x0 += PIECE) {
        const ptrdiff_t here = count - x0 < PIECE ? count - x0 : PIECE;
        real *to = (real *)output + x0 * VL;
        for (ptrdiff_t i = 0; i < images; i++) {
            real *line = lines + i * PIECE;
            if (bytes) {
                const uint8_t *from = (const uint8_t *)rows[i] + x0;
                for (ptrdiff_t x = 0; x < here; x++) line[x] = (real)from[x] * factor - less;
            } else {
                memcpy(line, (const real *)rows[i] + x0, (size_t)here * sizeof(real));
            }
        }
        if (WHOLE_SQUARES && here >= SIDE) {
            for (ptrdiff_t lane = 0; lane < VL; lane += SIDE) {
                ptrdiff_t x = 0;
                for (; x + SIDE <= here; x += SIDE) put_square(lines, x, lane, to);
                if (x < here) put_square(lines, here - SIDE, lane, to); /* covers some pixels a second time */
            }
        } else {
            for (ptrdiff_t x = 0; x < here; x++)
                for (ptrdiff_t i = 0; i < VL; i++) to[x * VL + i] = lines[i * PIECE + x];
        }
    }
}
