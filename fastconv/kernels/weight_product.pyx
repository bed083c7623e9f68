"""The gradient of a convolution's weights as a matrix product: output channels x taps, with the pixels as the depth.

    task: some output channels x some taps, or (where there are few) a part of the images and rows
      image, rows of pixels     pack the slab; pack the gradient pixel by pixel; for each panel of taps
        panel                     pack_taps: this part of the column matrix turned around
          tile_rows of outputs      correlate_tile, which adds to the weights

Each weight has one accumulator and takes its terms in the order of images and pixels; parts, whose number follows from the shapes alone,
are added in order.
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.frames cimport frame_start
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, fc_tile, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_layout, axis_measure, ceil_div, ceil_to, fill_offsets, slab_channel, slab_pack
from fastconv.kernels.weight_gradient cimport WeightGradient

cdef enum:
    # Pixels of a packed part for each row of the tile, at most: a low tile reads its panel more often, and wants it in the first-level
    # cache; else long stretches of a row pay, which is far from the next one.
    DEPTH = 64
    GRADIENT = 64 * 1024         # elements of the packed gradient, at most: they and a panel stay in the second-level cache
    TASK_OUTPUTS = 256           # output channels a task, at most: they pay for packing the taps
    TASK_PANELS = 8              # panels of taps a task, at most: they pay for packing the gradient
    SLAB_BYTES = 512 * 1024
    ENOUGH_SUMS = 8              # at work at a time
    FEW_TASKS = 8                # below so many, taps are cut further, or the batch into parts

# Shares of the products' time: packing the gradient, where a task has a panel; a part's weights, where it has a pixel.
cdef double PACK_COST = 0.15, PART_COST = 50

cdef struct Blocks:
    Py_ssize_t rows, columns, row_blocks, column_blocks
    Py_ssize_t outputs, output_blocks, panels, taps, tap_blocks          # panels, taps: of a task
    Py_ssize_t part, parts               # pieces of a part of the images and rows, all parts but the last; and how many parts
    Py_ssize_t slab_bytes, gradient_bytes, panel_bytes, table_bytes
    bint direct                  # the source serves as its own slab: nothing lies outside


cdef void share_out(const WeightGradient *job, Blocks *blocks, Py_ssize_t panels) noexcept nogil:
    """Few tasks are cut further, the taps or the images. Each cut of the taps packs the gradient once more; each part of the images has
    weights of its own, which one thread writes and another adds up."""
    cdef Py_ssize_t pieces = job.images * blocks.row_blocks * blocks.column_blocks, each, cuts, tasks, part, parts
    cdef double pixels = <double> job.images * job.grid_rows * job.grid_columns, least = -1, here
    for each in range(blocks.panels, 0, -1):
        cuts = ceil_div(panels, each)
        tasks = job.groups * blocks.output_blocks * cuts
        part = pieces // min(pieces, ceil_div(FEW_TASKS, tasks))
        parts = ceil_div(pieces, part)
        here = PACK_COST * cuts / panels + (PART_COST * parts / pixels if parts > 1 else 0)
        if tasks * parts < FEW_TASKS:
            here += 1
        if least < 0 or here < least:
            least = here
            blocks.panels, blocks.tap_blocks, blocks.part, blocks.parts = each, cuts, part, parts


cdef void choose_blocks(WeightGradient *job, Blocks *blocks) noexcept nogil:
    cdef Py_ssize_t lanes = job.kernel.lanes, width = lanes * job.kernel.tile_vectors
    cdef Py_ssize_t taps = job.rows.taps * job.columns.taps, depth = job.channels * taps
    cdef Py_ssize_t most, panels = ceil_div(depth, width), channels
    blocks.direct = (job.rows.step == 1 and job.columns.step == 1 and job.rows.first >= 0 and job.columns.first >= 0
                     and job.grid_rows - 1 + job.rows.first + job.rows.reach < job.rows.size
                     and job.grid_columns - 1 + job.columns.first + job.columns.reach < job.columns.size)
    blocks.panels = min(panels, TASK_PANELS)
    blocks.outputs = min(ceil_to(job.outputs, job.kernel.tile_rows), TASK_OUTPUTS)
    blocks.output_blocks = (job.outputs + blocks.outputs - 1) // blocks.outputs
    most = min(DEPTH * job.kernel.tile_rows, GRADIENT // blocks.outputs)
    blocks.columns = min(job.grid_columns, most)
    blocks.column_blocks = (job.grid_columns + blocks.columns - 1) // blocks.columns
    blocks.row_blocks = ceil_div(job.grid_rows, max(1, most // blocks.columns))
    blocks.rows = ceil_div(job.grid_rows, blocks.row_blocks)         # blocks of one size
    blocks.row_blocks = ceil_div(job.grid_rows, blocks.rows)
    axis_layout(&job.rows, blocks.rows, False)
    axis_layout(&job.columns, blocks.columns, False)
    while blocks.panels > 1 and not blocks.direct and SLAB_BYTES < (
            (blocks.panels * width // taps + 2) * slab_channel(&job.rows, &job.columns, lanes) * job.itemsize):
        blocks.panels -= 1
    share_out(job, blocks, panels)
    # Cuts of one size, in whole vectors; in whole panels where a tile of one vector has so few sums that each waits for its last addition.
    blocks.taps = ceil_to(ceil_div(depth, blocks.tap_blocks), lanes if job.kernel.tile_rows >= ENOUGH_SUMS else width)
    blocks.tap_blocks = ceil_div(depth, blocks.taps)
    channels = min(job.channels, blocks.taps // taps + 2)
    blocks.slab_bytes = 0 if blocks.direct else ceil_to(
        (slab_channel(&job.rows, &job.columns, lanes) * channels + 2 * lanes) * job.itemsize, 64)
    blocks.gradient_bytes = ceil_to(blocks.outputs * blocks.rows * blocks.columns * job.itemsize, 64)
    blocks.panel_bytes = ceil_to((blocks.rows * blocks.columns * width + width) * job.itemsize, 64)
    blocks.table_bytes = ceil_to(max(blocks.taps, blocks.rows * blocks.columns) * sizeof(Py_ssize_t), 64)


cdef void run_task(const WeightGradient *job, const Blocks *blocks, Py_ssize_t task, char *workspace, char *parts) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, lanes = kernel.lanes, tile_rows = kernel.tile_rows
    cdef Py_ssize_t width = lanes * kernel.tile_vectors
    cdef char *slab = workspace
    cdef char *gradient = slab + blocks.slab_bytes
    cdef char *panel = gradient + blocks.gradient_bytes
    cdef Py_ssize_t *offsets = <Py_ssize_t *> (panel + blocks.panel_bytes)
    cdef Py_ssize_t *panel_offsets = offsets + blocks.table_bytes // sizeof(Py_ssize_t)
    cdef Py_ssize_t part = task % blocks.parts
    cdef Py_ssize_t t0 = task // blocks.parts % blocks.tap_blocks * blocks.taps
    cdef Py_ssize_t m0 = task // blocks.parts // blocks.tap_blocks % blocks.output_blocks * blocks.outputs
    cdef Py_ssize_t group = task // blocks.parts // blocks.tap_blocks // blocks.output_blocks
    cdef Py_ssize_t taps = job.rows.taps * job.columns.taps, depth = job.channels * taps
    cdef Py_ssize_t t1 = min(depth, t0 + blocks.taps), outputs = min(blocks.outputs, job.outputs - m0)
    cdef Py_ssize_t c0 = t0 // taps, channels = (t1 - 1) // taps + 1 - c0
    cdef Py_ssize_t source_plane = job.source_at.channel, grid_plane = job.gradient_at.channel
    cdef Py_ssize_t channel_stride = source_plane if blocks.direct else slab_channel(&job.rows, &job.columns, lanes)
    cdef Py_ssize_t pitch = job.columns.size if blocks.direct else job.columns.pitch
    cdef Py_ssize_t pieces = job.images * blocks.row_blocks * blocks.column_blocks
    cdef Py_ssize_t piece, image, row0, rows, column0, columns, pixels, t, m, r, j, first, here, vectors
    cdef const char *base
    cdef const char *source
    cdef const char *row
    cdef char *weight = parts + ((part * job.groups + group) * job.outputs + m0) * depth * itemsize
    cdef fc_tile tile
    fill_offsets(&job.rows, &job.columns, lanes, blocks.direct, t0 - c0 * taps, t1 - t0, channel_stride, offsets)
    for t in range(blocks.rows * blocks.columns):
        panel_offsets[t] = t * width
    tile.bias, tile.relu = NULL, 0
    tile.offsets = panel_offsets
    tile.output_row, tile.weights_step, tile.packed = depth, tile_rows, True
    first = part * blocks.part
    for piece in range(first, min(pieces, first + blocks.part)):
        column0 = piece % blocks.column_blocks * blocks.columns
        row0 = piece // blocks.column_blocks % blocks.row_blocks * blocks.rows
        image = piece // blocks.column_blocks // blocks.row_blocks
        rows = min(blocks.rows, job.grid_rows - row0)
        columns = min(blocks.columns, job.grid_columns - column0)
        pixels = rows * columns
        source = job.source + (frame_start(&job.source_at, image, group) + c0 * source_plane) * itemsize
        if blocks.direct:
            base = source + ((row0 + job.rows.first) * pitch + column0 + job.columns.first) * itemsize
        else:
            base = slab
            slab_pack(kernel, itemsize, &job.rows, &job.columns, source, channels, source_plane, row0, rows, column0, columns, 0, slab)
        for m from 0 <= m < outputs by tile_rows:
            row = job.gradient + (frame_start(&job.gradient_at, image, group) + (m0 + m) * grid_plane
                                  + row0 * job.grid_columns + column0) * itemsize
            for r in range(rows if columns < job.grid_columns else 1):
                kernel.pack_rows(columns if columns < job.grid_columns else pixels, min(tile_rows, outputs - m), tile_rows,
                                 row + r * job.grid_columns * itemsize, grid_plane,
                                 gradient + (m * pixels + r * columns * tile_rows) * itemsize)
        tile.depth = pixels
        tile.accumulate = piece > first
        for t from t0 <= t < t1 by width:
            here = min(width, t1 - t)
            vectors = (here + lanes - 1) // lanes
            if pitch == columns:         # the rows are one
                kernel.pack_taps(1, pixels, pitch, here, width, base, offsets + t - t0, panel)
            else:
                kernel.pack_taps(rows, columns, pitch, here, width, base, offsets + t - t0, panel)
            for m from 0 <= m < outputs by tile_rows:
                tile.weights = gradient + m * pixels * itemsize
                for j in range(vectors):
                    tile.source[j] = panel + j * lanes * itemsize
                    tile.output[j] = weight + (m * depth + t + j * lanes) * itemsize
                    tile.count[j] = min(lanes, here - j * lanes)
                kernel.correlate_tile(&tile, min(tile_rows, outputs - m), vectors)


cdef int weight_product(WeightGradient *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t weights = job.groups * job.outputs * job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t tasks, task, a_thread
    cdef int threads = threads_for(<double> job.images * job.grid_rows * job.grid_columns * weights)
    cdef char *workspace
    cdef char *parts
    cdef unsigned int mode = 0
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    choose_blocks(job, &blocks)
    tasks = job.groups * blocks.output_blocks * blocks.tap_blocks * blocks.parts
    threads = <int> min(threads, tasks)
    a_thread = blocks.slab_bytes + blocks.gradient_bytes + blocks.panel_bytes + 2 * blocks.table_bytes
    parts = job.weight if blocks.parts == 1 else <char *> allocate(blocks.parts * weights * job.itemsize)
    workspace = <char *> allocate(threads * a_thread)
    if parts == NULL or workspace == NULL:
        release(workspace)
        if blocks.parts > 1:
            release(parts)
        return -1
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            run_task(job, &blocks, task, workspace, parts)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            # Parts of the images go to the threads in turns: they then read the same stretch of each channel.
            for task in prange(tasks, schedule="static", chunksize=1 if blocks.parts > 1 else (tasks + threads - 1) // threads):
                run_task(job, &blocks, task, workspace + threadid() * a_thread, parts)
            leave_team(mode)
    release(workspace)
    if blocks.parts > 1:
        job.kernel.sum_rows(blocks.parts, weights, parts, weights, job.weight)
        release(parts)
    return 0
