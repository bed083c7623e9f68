/* The table of this instruction set and element type. */
#include "vector.h"
#include "tiles.h"

#define FC_KERNEL(result, name, arguments) result FC_NAME(name) arguments;
#if FC_DOUBLE
#define FC_KERNEL_F32(result, name, arguments)
#else
#define FC_KERNEL_F32 FC_KERNEL
#endif
#include "registry.def"
#undef FC_KERNEL
#undef FC_KERNEL_F32

#define FC_STRING_(text) #text
#define FC_STRING(text) FC_STRING_(text)

extern const fc_kernels FC_NAME(table);
const fc_kernels FC_NAME(table) = {
    .isa = FC_STRING(FC_ISA),
    .lanes = VL,
    .tile_rows = TILE_ROWS,
    .tile_vectors = TILE_VECTORS,
    .run_rows = {RUN_ROWS_1, RUN_ROWS_2, TILE_ROWS},
    .channel_pixels = {CHANNEL_PIXELS_1, CHANNEL_PIXELS_2},
    .line_tiles = LINE_TILES,
    .weight_rows = WEIGHT_ROWS,
    .weight_columns = WEIGHT_COLUMNS,
    .local_rows = LOCAL_ROWS,
    .local_taps = LOCAL_TAPS,
#define FC_KERNEL(result, name, arguments) .name = FC_NAME(name),
#if FC_DOUBLE
#define FC_KERNEL_F32(result, name, arguments)
#else
#define FC_KERNEL_F32 FC_KERNEL
#endif
#include "registry.def"
#undef FC_KERNEL
#undef FC_KERNEL_F32
};
