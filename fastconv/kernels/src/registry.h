/* The table of kernels that an instruction set offers for one element type, made from registry.def. */
#ifndef FC_REGISTRY_H
#define FC_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "moments.h"

enum { FC_MAX_VECTORS = 4 };

/* What one register tile of a correlation computes, for `rows` output channels and `vectors` vectors of output pixels:
 *     output[j][i * output_row + lane] = start + sum over k of weights[k * weights_step + i] * source[j][offsets[k] + lane]
 * in the order of k, with one accumulator an output. `start` is what the output holds (bias NULL, accumulate 1),
 * the bias of the row, or zero. Every source vector is read whole; of output[j] only count[j] lanes are touched. */
typedef struct {
    ptrdiff_t depth;
    const void *weights;                 /* [depth][weights_step] */
    ptrdiff_t weights_step;              /* tile_rows where the weights are packed for the tile */
    const ptrdiff_t *offsets;            /* [depth] */
    int packed;                          /* the vectors of a step are neighbours, steps lie one full tile's vectors apart, weights tile_rows */
    const void *source[FC_MAX_VECTORS];
    void *output[FC_MAX_VECTORS];
    ptrdiff_t count[FC_MAX_VECTORS];
    ptrdiff_t output_row;
    const void *bias;                    /* [rows] or NULL */
    int accumulate;
    int relu;                            /* negative results become zero */
} fc_tile;

/* A run of pixels that lies in one row of the source: `length` elements from slab + source to panel + target. */
typedef struct {
    ptrdiff_t source, target, length;
} fc_segment;

/* A tile of a locally connected layer: `rows` results by `taps` terms at each of `count` neighbouring pixels, for `images` images.
 * Element p of row i is at weights[i * weights_row + t * weights_tap + p] for term t, at source[n * source_image + offsets[t] + p],
 * and at sums[n * sums_image + i * sums_row + p]. Sums begin with what lies at `start`, which may be `sums` itself. */
typedef struct {
    ptrdiff_t images, count;
    void *weights;
    ptrdiff_t weights_row, weights_tap;
    const void *source;
    const ptrdiff_t *offsets;            /* [taps] */
    ptrdiff_t source_image;
    const void *start;
    ptrdiff_t start_row, start_image;
    void *sums;
    ptrdiff_t sums_row, sums_image;
} fc_local;

/* A row of `count` windows with the images in the lanes. Sizes are in vectors, of which one holds an element of as many images. */
typedef struct {
    ptrdiff_t count, rows, columns;      /* windows; their taps: the rows inside the image, and all columns */
    ptrdiff_t stride, dilation, left;    /* of the columns; where the first window begins */
    ptrdiff_t width;                     /* of the image */
    ptrdiff_t source_row;                /* from a row of taps to the next */
    ptrdiff_t image_row, image_step;     /* the same in a gradient, and from a column to the next */
    int add;                             /* to what a gradient holds: windows overlap */
} fc_lane_windows;

typedef struct {
    const char *isa;
    ptrdiff_t lanes;          /* elements a vector */
    ptrdiff_t tile_rows;      /* output channels a correlation tile, at most */
    ptrdiff_t tile_vectors;   /* vectors of pixels a correlation tile, at most */
    ptrdiff_t run_rows[3];    /* output channels a tile of one, two, three vectors, at most */
    ptrdiff_t channel_pixels[2]; /* pixels a channel tile of one and of two vectors, at most */
    ptrdiff_t line_tiles;     /* tiles of a row that are computed together, at most */
    ptrdiff_t weight_rows;    /* output channels a weight-gradient tile */
    ptrdiff_t weight_columns; /* taps a weight-gradient tile */
    ptrdiff_t local_rows;     /* rows of a locally connected tile, at most */
    ptrdiff_t local_taps;     /* its terms, at most */
#define FC_KERNEL(result, name, arguments) result (*name) arguments;
#define FC_KERNEL_F32 FC_KERNEL
#include "registry.def"
#undef FC_KERNEL
#undef FC_KERNEL_F32
} fc_kernels;

#endif
