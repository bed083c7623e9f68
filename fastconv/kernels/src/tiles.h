/* The sizes of the register tiles: accumulators + operands fit the registers of the instruction set. */
#ifndef FC_TILES_H
#define FC_TILES_H

#if FC_REGISTERS == 32
enum { TILE_ROWS = 8, TILE_VECTORS = 3, WEIGHT_ROWS = 4, WEIGHT_COLUMNS = 6, CHANNEL_PIXELS_1 = 16, CHANNEL_PIXELS_2 = 14, LINE_TILES = 5 };
#elif defined(__FMA__)
enum { TILE_ROWS = 4, TILE_VECTORS = 3, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4, CHANNEL_PIXELS_1 = 12, CHANNEL_PIXELS_2 = 6, LINE_TILES = 2 };
#else /* a product needs a register of its own before it is added */
enum { TILE_ROWS = 4, TILE_VECTORS = 2, WEIGHT_ROWS = 3, WEIGHT_COLUMNS = 4, CHANNEL_PIXELS_1 = 8, CHANNEL_PIXELS_2 = 5, LINE_TILES = 2 };
#endif

/* Steps of the depth that a full tile takes at once. With sixteen registers a step has few products, and the loop's own instructions
 * would be a fifth of all: that costs where two hardware threads share a core. */
#if FC_REGISTERS == 16 && defined(__FMA__)
enum { AT_ONCE = 4 };
#else
enum { AT_ONCE = 1 };
#endif

/* Output channels of a correlation tile of one and of two vectors, at most. */
#if FC_REGISTERS == 16 && defined(__FMA__)
enum { RUN_ROWS_1 = 12, RUN_ROWS_2 = 6 };
#else
enum { RUN_ROWS_1 = TILE_ROWS, RUN_ROWS_2 = TILE_ROWS };
#endif

/* Weights of a locally connected tile, or their sums, stay in registers too. */
enum { LOCAL_ROWS = FC_REGISTERS == 32 ? 4 : 2, LOCAL_TAPS = 4 };

/* do(vectors, pixels) for every size of a tile with the output channels in the lanes. */
#define UP_TO_5(do, v) do(v, 1) do(v, 2) do(v, 3) do(v, 4) do(v, 5)
#define UP_TO_6(do, v) UP_TO_5(do, v) do(v, 6)
#define UP_TO_8(do, v) UP_TO_6(do, v) do(v, 7) do(v, 8)
#define UP_TO_12(do, v) UP_TO_8(do, v) do(v, 9) do(v, 10) do(v, 11) do(v, 12)
#define UP_TO_14(do, v) UP_TO_12(do, v) do(v, 13) do(v, 14)
#define UP_TO_16(do, v) UP_TO_14(do, v) do(v, 15) do(v, 16)
#if FC_REGISTERS == 32
#define CHANNEL_SIZES(do) UP_TO_16(do, 1) UP_TO_14(do, 2)
#define LINE_SIZES(do, m) UP_TO_5(do, m)
#elif defined(__FMA__)
#define CHANNEL_SIZES(do) UP_TO_12(do, 1) UP_TO_6(do, 2)
#define LINE_SIZES(do, m) do(m, 1) do(m, 2)
#else
#define CHANNEL_SIZES(do) UP_TO_8(do, 1) UP_TO_5(do, 2)
#define LINE_SIZES(do, m) do(m, 1) do(m, 2)
#endif

#endif
