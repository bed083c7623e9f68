/* The sizes of the register tiles: accumulators + operands fit the registers of the instruction set. */
#ifndef FC_TILES_H
#define FC_TILES_H

#if FC_REGISTERS == 32
enum { TILE_ROWS = 8, TILE_VECTORS = 3, WEIGHT_ROWS = 4, WEIGHT_COLUMNS = 6 };
#elif defined(__FMA__)
enum { TILE_ROWS = 4, TILE_VECTORS = 3, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4 };
#else /* a product needs a register of its own before it is added */
enum { TILE_ROWS = 4, TILE_VECTORS = 2, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4 };
#endif

#endif
