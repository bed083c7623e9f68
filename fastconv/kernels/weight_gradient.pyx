"""The gradient of a convolution's weights: a sum over images and pixels, with the pixels in the lanes.

    task: some output channels x some source channels x a part of the images and rows
      image, rows of pixels      pack the slab, and beside it the gradient, in rows of the slab's pitch with zeros between
        tile: rows x columns       weight_tile adds into one vector of partial sums a weight
      at the end                 weight_sums adds up the lanes

The batch is cut into parts only where the weights are too few to keep threads busy, and into a number of parts that follows from
the shapes alone; the parts are added in order, so the bits do not depend on the threads.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy, memset

from fastconv.kernels.frames cimport frame_start
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_layout, axis_measure, ceil_to, fill_offsets, slab_channel, slab_pack, slab_plane

cdef enum:
    TASK_OUTPUTS = 32            # output channels a task: they pay for the packing of the slab
    TASK_TAPS = 144              # weights of one output channel a task: 32 x 144 vectors of sums fill a part of the second-level cache
    BLOCK_PIXELS = 768           # pixels a tile runs over: they pay for loading and storing the sums
    SLAB_BYTES = 192 * 1024
    FEW_TASKS = 16               # below so many, the batch is cut into parts

cdef struct Blocks:
    Py_ssize_t rows, columns, row_blocks, column_blocks
    Py_ssize_t outputs, output_blocks
    Py_ssize_t channels, channel_blocks
    Py_ssize_t parts                     # of images x row blocks x column blocks
    Py_ssize_t slab_bytes, gradient_bytes, sums_bytes, table_bytes


cdef void flatten(WeightGradient *job) noexcept nogil:
    """A pointwise convolution has no rows: the image is one long row."""
    cdef Py_ssize_t pixels = job.rows.size * job.columns.size
    if (job.rows.taps == 1 and job.columns.taps == 1 and job.rows.offset[0] == 0 and job.columns.offset[0] == 0
            and job.rows.step == 1 and job.columns.step == 1
            and job.grid_rows == job.rows.size and job.grid_columns == job.columns.size):
        job.rows.size, job.grid_rows = 1, 1
        job.columns.size, job.grid_columns = pixels, pixels


cdef void choose_blocks(WeightGradient *job, bint by_tap, Blocks *blocks) noexcept nogil:
    cdef Py_ssize_t lanes = job.kernel.lanes, taps = job.rows.taps * job.columns.taps, tasks, pieces
    blocks.columns = min(job.grid_columns, BLOCK_PIXELS)
    blocks.column_blocks = (job.grid_columns + blocks.columns - 1) // blocks.columns
    blocks.rows = max(1, min(job.grid_rows, BLOCK_PIXELS // blocks.columns))
    blocks.row_blocks = (job.grid_rows + blocks.rows - 1) // blocks.rows
    axis_layout(&job.rows, blocks.rows, by_tap)
    axis_layout(&job.columns, blocks.columns, by_tap)
    blocks.outputs = min(job.outputs, TASK_OUTPUTS)
    blocks.output_blocks = (job.outputs + blocks.outputs - 1) // blocks.outputs
    blocks.channels = max(1, min(job.channels, TASK_TAPS // taps,
                                 SLAB_BYTES // (slab_channel(&job.rows, &job.columns, lanes) * job.itemsize)))
    blocks.channel_blocks = (job.channels + blocks.channels - 1) // blocks.channels
    tasks = job.groups * blocks.output_blocks * blocks.channel_blocks
    pieces = job.images * blocks.row_blocks * blocks.column_blocks
    blocks.parts = min(pieces, (FEW_TASKS + tasks - 1) // tasks)
    blocks.slab_bytes = ceil_to((slab_channel(&job.rows, &job.columns, lanes) * blocks.channels + 4 * lanes) * job.itemsize, 64)
    blocks.gradient_bytes = ceil_to(slab_plane(&job.rows, &job.columns, lanes) * blocks.outputs * job.itemsize, 64)
    blocks.sums_bytes = ceil_to(blocks.outputs * blocks.channels * taps * lanes * job.itemsize, 64)
    blocks.table_bytes = ceil_to(blocks.channels * taps * sizeof(Py_ssize_t), 64)


cdef void run_task(const WeightGradient *job, const Blocks *blocks, Py_ssize_t task, char *workspace, char *parts) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, lanes = kernel.lanes
    cdef char *slab = workspace
    cdef char *gradient = slab + blocks.slab_bytes
    cdef char *sums = gradient + blocks.gradient_bytes
    cdef Py_ssize_t *offsets = <Py_ssize_t *> (sums + blocks.sums_bytes)
    cdef Py_ssize_t part = task % blocks.parts
    cdef Py_ssize_t channel_block = task // blocks.parts % blocks.channel_blocks
    cdef Py_ssize_t output_block = task // blocks.parts // blocks.channel_blocks % blocks.output_blocks
    cdef Py_ssize_t group = task // blocks.parts // blocks.channel_blocks // blocks.output_blocks
    cdef Py_ssize_t c0 = channel_block * blocks.channels, m0 = output_block * blocks.outputs
    cdef Py_ssize_t channels = min(blocks.channels, job.channels - c0)
    cdef Py_ssize_t outputs = min(blocks.outputs, job.outputs - m0)
    cdef Py_ssize_t taps = job.rows.taps * job.columns.taps
    cdef Py_ssize_t plane = slab_plane(&job.rows, &job.columns, lanes)
    cdef Py_ssize_t channel_stride = slab_channel(&job.rows, &job.columns, lanes)
    cdef Py_ssize_t source_plane = job.source_at.channel, grid_plane = job.gradient_at.channel
    cdef Py_ssize_t pieces = job.images * blocks.row_blocks * blocks.column_blocks
    cdef Py_ssize_t piece, image, row0, rows, column0, columns, length, i, j, m, r
    cdef Py_ssize_t depth = job.channels * taps
    cdef const char *source
    cdef const char *row
    cdef char *target
    fill_offsets(&job.rows, &job.columns, lanes, False, 0, channels * taps, channel_stride, offsets)
    memset(sums, 0, blocks.sums_bytes)
    # Whole vectors may reach behind the slab, where they meet zeros of the gradient: what is there must be finite.
    memset(slab + channels * channel_stride * itemsize, 0, 4 * lanes * itemsize)
    for piece in range(pieces * part // blocks.parts, pieces * (part + 1) // blocks.parts):
        column0 = piece % blocks.column_blocks * blocks.columns
        row0 = piece // blocks.column_blocks % blocks.row_blocks * blocks.rows
        image = piece // blocks.column_blocks // blocks.row_blocks
        rows = min(blocks.rows, job.grid_rows - row0)
        columns = min(blocks.columns, job.grid_columns - column0)
        source = job.source + (frame_start(&job.source_at, image, group) + c0 * source_plane) * itemsize
        slab_pack(kernel, itemsize, &job.rows, &job.columns, source, channels, source_plane, row0, rows, column0, columns, 0, slab)
        length = ceil_to((rows - 1) * job.columns.pitch + columns, lanes)
        for m in range(outputs):
            row = job.gradient + (frame_start(&job.gradient_at, image, group) + (m0 + m) * grid_plane
                                  + row0 * job.grid_columns + column0) * itemsize
            target = gradient + m * plane * itemsize
            for r in range(rows):
                memcpy(target, row, columns * itemsize)
                if job.columns.pitch > columns and r < rows - 1:
                    memset(target + columns * itemsize, 0, (job.columns.pitch - columns) * itemsize)
                target += job.columns.pitch * itemsize
                row += job.grid_columns * itemsize
            i = (rows - 1) * job.columns.pitch + columns
            memset(gradient + (m * plane + i) * itemsize, 0, (length - i) * itemsize)
        for j from 0 <= j < channels * taps by kernel.weight_columns:
            for i from 0 <= i < outputs by kernel.weight_rows:
                kernel.weight_tile(length, min(kernel.weight_rows, outputs - i), min(kernel.weight_columns, channels * taps - j),
                                   gradient + i * plane * itemsize, plane, slab, offsets + j,
                                   sums + (i * channels * taps + j) * lanes * itemsize, channels * taps)
    target = parts + (part * job.groups * job.outputs + group * job.outputs + m0) * depth * itemsize
    for m in range(outputs):
        kernel.weight_sums(channels * taps, sums + m * channels * taps * lanes * itemsize, target + (m * depth + c0 * taps) * itemsize)


cdef int run(WeightGradient *job, bint by_tap) noexcept nogil:
    cdef Blocks blocks
    cdef Py_ssize_t taps = job.rows.taps * job.columns.taps
    cdef Py_ssize_t weights = job.groups * job.outputs * job.channels * taps
    cdef Py_ssize_t tasks, task, a_thread
    cdef int threads
    cdef char *workspace
    cdef char *parts
    cdef unsigned int mode = 0
    choose_blocks(job, by_tap, &blocks)
    tasks = job.groups * blocks.output_blocks * blocks.channel_blocks * blocks.parts
    threads = <int> min(threads_for(<double> job.images * job.grid_rows * job.grid_columns * weights), tasks)
    a_thread = blocks.slab_bytes + blocks.gradient_bytes + blocks.sums_bytes + blocks.table_bytes
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
            for task in prange(tasks, schedule="static"):
                run_task(job, &blocks, task, workspace + threadid() * a_thread, parts)
            leave_team(mode)
    release(workspace)
    if blocks.parts > 1:
        job.kernel.sum_rows(blocks.parts, weights, parts, weights, job.weight)
        release(parts)
    return 0


cdef int weight_gradient(WeightGradient *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t weights = job.groups * job.outputs * job.channels * job.rows.taps * job.columns.taps
    cdef int status
    if weights == 0:
        return 0
    if job.images * job.grid_rows * job.grid_columns == 0:
        job.kernel.fill(weights, 0, job.weight)
        return 0
    flatten(job)
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    status = run(job, False)
    # Between its rows the slab meets zeros of the gradient; an infinity there would make a NaN that no term of the sum is. Laid
    # out tap by tap the slab has nothing between its rows.
    if status == 0 and not job.kernel.all_finite(weights, job.weight):
        status = run(job, True)
    return status
