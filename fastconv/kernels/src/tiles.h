/* The sizes of the register tiles: accumulators + operands fit the registers of the instruction set. */
#ifndef FC_TILES_H
#define FC_TILES_H

#if FC_REGISTERS == 32
enum { TILE_ROWS = 8, TILE_VECTORS = 3, WEIGHT_ROWS = 4, WEIGHT_COLUMNS = 6, CHANNEL_PIXELS_1 = 16, CHANNEL_PIXELS_2 = 14 };
#elif defined(__FMA__)
enum { TILE_ROWS = 4, TILE_VECTORS = 3, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4, CHANNEL_PIXELS_1 = 12, CHANNEL_PIXELS_2 = 6 };
#else /* a product needs a register of its own before it is added */
enum { TILE_ROWS = 4, TILE_VECTORS = 2, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4, CHANNEL_PIXELS_1 = 8, CHANNEL_PIXELS_2 = 5 };
#endif

#endif
