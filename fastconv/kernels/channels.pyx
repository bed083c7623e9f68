"""Correlation with the output channels in the lanes: for short rows of pixels and whole vectors of channels.

    task: some rows of an image, or a part of a long one, and some output channels
      pack the slab: the rows of all source channels that the block reads, padded (or read the source itself)
        run of pixels x one or two vectors of channels    channel_tile, over the whole depth; pixel_tile where a run has one pixel

With Winograd's minimal filtering along the rows (m > 0) the slab is turned into points first, and a run is one of tiles of m pixels:

      line_points: the slab of each channel as one long row, whose tiles begin anew in each row of pixels
        run of tiles x one vector of channels             line_tile, over the depth without the columns' taps
      turn the pixels around
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.frames cimport frame_start, frames_end
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_layout, axis_measure, ceil_to, slab_channel, slab_pack, slab_plane, tap_offset

cdef enum:
    SLAB_BYTES = 256 * 1024      # a part of the second-level cache; a slab has at least one output row
    TASKS_A_THREAD = 2
    POINTS = 6                   # of a tile of Winograd's
    CACHE_LINE = 16              # points
    FEW_STEPS = 512              # of the depth: their offsets need no memory of their own, which would take as long as a small layer

cdef struct Blocks:
    Py_ssize_t rows, row_blocks, columns, column_blocks, outputs, output_blocks, width
    Py_ssize_t most              # pixels, or tiles of them, of a run
    Py_ssize_t slab_bytes, point_bytes, stage_bytes
    Py_ssize_t step_h, step_w    # strides: a pixel is read for itself, so its neighbour may lie anywhere
    Py_ssize_t line              # tiles of the whole slab of a channel, those between the rows included, in whole vectors
    bint direct                  # the source serves as its own slab: nothing lies outside
    bint outputs_first           # threads share out the output channels before the pixels: there are more weights than pixels


cdef Py_ssize_t channels_width(const fc_kernels *kernel, Py_ssize_t outputs) noexcept nogil:
    """Output channels of one tile: two vectors unless one holds them all."""
    return kernel.lanes if outputs <= kernel.lanes else 2 * kernel.lanes


cdef void pack_lines(const Channels *job, const char *source, char *packed) noexcept nogil:
    """Filters as they come to points, for Winograd."""
    cdef Py_ssize_t lanes = job.kernel.lanes, blocks = (job.outputs + lanes - 1) // lanes, depth = job.channels * job.rows.taps, i, o
    cdef Py_ssize_t filter = depth * (7 - job.m)
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(100.0 * job.groups * job.outputs * depth)):
        mode = enter_team()
        for i in prange(job.groups * blocks, schedule="static"):
            o = i % blocks * lanes
            job.kernel.line_weights(job.m, depth, min(lanes, job.outputs - o), source + (i // blocks * job.outputs + o) * filter * 4,
                                    filter, packed + i * depth * POINTS * lanes * 4)
        leave_team(mode)


cdef void run_pixels(const Channels *job, const Blocks *blocks, Py_ssize_t group, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t m0,
                     Py_ssize_t stop, const char *base, Py_ssize_t pitch, const Py_ssize_t *offsets, char *output) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, width = blocks.width, plane = job.output_at.channel, m, r, run, p0, p1
    cdef Py_ssize_t runs = (columns + blocks.most - 1) // blocks.most
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t first = group * ceil_to(job.outputs, width)      # of the group in packed weights and bias
    if columns == 1 and width > kernel.lanes:
        for r in range(rows):
            kernel.pixel_tile(depth, stop - m0, base + r * blocks.step_h * pitch * itemsize, offsets,
                              job.weights + (first + m0) * depth * itemsize, width * depth, job.bias + (first + m0) * itemsize, job.relu,
                              output + (m0 * plane + r * job.OW) * itemsize, plane)
        return
    for m from m0 <= m < stop by width:
        for r in range(rows):
            for run in range(runs):
                p0, p1 = columns * run // runs, columns * (run + 1) // runs
                kernel.channel_tile(
                    depth, width // kernel.lanes, p1 - p0, blocks.step_w,
                    base + (r * blocks.step_h * pitch + p0 * blocks.step_w) * itemsize, offsets,
                    job.weights + (first + m) * depth * itemsize, job.bias + (first + m) * itemsize, job.relu, min(width, stop - m),
                    output + (m * plane + r * job.OW + p0) * itemsize, plane)


cdef bint run_lines(const Channels *job, const Blocks *blocks, Py_ssize_t group, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t m0,
                    Py_ssize_t stop, const char *base, Py_ssize_t channel, const Py_ssize_t *offsets, char *points,
                    char *output) noexcept nogil:
    """False where a result is not finite."""
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t lanes = kernel.lanes, plane = job.output_at.channel, m, r, run, t0, c, depth = job.channels * job.rows.taps
    cdef Py_ssize_t first = group * ceil_to(job.outputs, lanes), pitch = job.columns.pitch
    cdef Py_ssize_t tiles = (columns + job.m - 1) // job.m, runs = (tiles + blocks.most - 1) // blocks.most
    cdef char *stage = points + blocks.point_bytes
    cdef bint finite = True
    for c in range(job.channels):
        kernel.line_points(job.m, (rows + job.rows.reach) * pitch // job.m, base + c * channel * 4, points + c * POINTS * blocks.line * 4,
                           blocks.line)
    for m from m0 <= m < stop by lanes:
        for r in range(rows):
            for run in range(runs):
                t0 = tiles * run // runs
                if not kernel.line_tile(
                        job.m, tiles * (run + 1) // runs - t0, depth, points + (r * pitch // job.m + t0) * 4, blocks.line,
                        offsets, job.weights + (first + m) * depth * POINTS * 4, job.bias + (first + m) * 4, job.relu,
                        stage + (r * columns + t0 * job.m) * lanes * 4):
                    finite = False
        if columns == job.OW:            # the rows are one
            kernel.turn_out(min(lanes, stop - m), 1, rows * columns, stage, 0, output + m * plane * 4, plane, 0)
        else:
            kernel.turn_out(min(lanes, stop - m), rows, columns, stage, columns * lanes, output + m * plane * 4, plane, job.OW)
    return finite


cdef void run_task(const Channels *job, const Blocks *blocks, Py_ssize_t task, char *slab, const Py_ssize_t *offsets) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t places = job.images * job.groups * blocks.row_blocks * blocks.column_blocks
    cdef Py_ssize_t block = 0, place = 0, column_block = 0, row_block = 0, group = 0, image = 0
    if task > 0:                         # the divisions take as long as a part of the smallest layers
        block = task // places if blocks.outputs_first else task % blocks.output_blocks
        place = task % places if blocks.outputs_first else task // blocks.output_blocks
    if place > 0:
        column_block, row_block = place % blocks.column_blocks, place // blocks.column_blocks % blocks.row_blocks
        image = place // blocks.column_blocks // blocks.row_blocks
        group, image = image % job.groups, image // job.groups
    cdef Py_ssize_t m0 = block * blocks.outputs, stop = min(job.outputs, m0 + blocks.outputs)
    cdef Py_ssize_t column0 = column_block * blocks.columns, columns = min(blocks.columns, job.OW - column0)
    cdef Py_ssize_t row0 = row_block * blocks.rows, rows = min(blocks.rows, job.OH - row0)
    cdef Py_ssize_t source_plane = job.source_at.channel, pitch = job.columns.pitch
    cdef Py_ssize_t start = frame_start(&job.source_at, image, group), size = job.rows.size * job.columns.size
    cdef const char *base = slab
    cdef const char *source = job.source + start * job.itemsize
    cdef Py_ssize_t channel = slab_channel(&job.rows, &job.columns, kernel.lanes)
    cdef char *output = job.output + (frame_start(&job.output_at, image, group) + row0 * job.OW + column0) * job.itemsize
    cdef bint direct = blocks.direct
    if job.m > 0 and direct:         # what is read behind the rows has to be there
        direct = (start + (job.channels - 1) * source_plane + size + 3 * job.m * kernel.lanes
                  <= frames_end(&job.source_at, job.images, job.groups, job.channels, size))
    if direct:
        pitch, channel = job.columns.size, source_plane
        base = source + ((row0 * blocks.step_h + job.rows.first) * pitch + column0 * blocks.step_w + job.columns.first) * job.itemsize
    else:
        slab_pack(kernel, job.itemsize, &job.rows, &job.columns, source, job.channels, source_plane, row0 * blocks.step_h,
                  span(rows, blocks.step_h), column0 * blocks.step_w, span(columns, blocks.step_w), 0, slab)
    if job.m == 0:
        run_pixels(job, blocks, group, rows, columns, m0, stop, base, pitch, offsets, output)
    elif not run_lines(job, blocks, group, rows, columns, m0, stop, base, channel, offsets, slab + blocks.slab_bytes, output):
        job.doubtful[image] = 1


cdef void fill_offsets(const Channels *job, const Blocks *blocks, Py_ssize_t *offsets) noexcept nogil:
    """Where each step of the depth reads, in the source itself, in the slab, or in the points."""
    cdef Py_ssize_t plane = slab_plane(&job.rows, &job.columns, job.kernel.lanes), c, th, tw, k = 0
    cdef Py_ssize_t stride = job.source_at.channel
    if not blocks.direct:
        stride = slab_channel(&job.rows, &job.columns, job.kernel.lanes)
    if blocks.direct and job.m == 0 and job.rows.taps * job.columns.taps == 1:   # of a dense layer, where nothing else is as long
        for c in range(job.channels):
            offsets[c] = c * stride
        return
    for c in range(job.channels):
        for th in range(job.rows.taps):
            if job.m > 0:
                offsets[k] = c * POINTS * blocks.line + th * job.columns.pitch // job.m
                k += 1
                continue
            for tw in range(job.columns.taps):
                if blocks.direct:
                    offsets[k] = (c * stride + (job.rows.offset[th] - job.rows.first) * job.columns.size
                                  + job.columns.offset[tw] - job.columns.first)
                else:
                    offsets[k] = c * stride + tap_offset(&job.rows, &job.columns, plane, th, tw)
                k += 1


cdef void measure_points(const Channels *job, Blocks *blocks) noexcept nogil:
    """What Winograd needs beside the slab."""
    cdef Py_ssize_t lanes = job.kernel.lanes
    blocks.point_bytes = blocks.stage_bytes = 0
    if job.m > 0:
        # An odd number of cache lines, lest the points of all channels fall on the same few.
        blocks.line = ceil_to(job.rows.pitch * job.columns.pitch // job.m, max(lanes, CACHE_LINE))
        blocks.line += CACHE_LINE if blocks.line // CACHE_LINE % 2 == 0 else 0
        blocks.point_bytes = ceil_to(job.channels * POINTS * blocks.line * 4, 64)
        # The last tile of a row may reach beyond it.
        blocks.stage_bytes = (blocks.rows * blocks.columns + job.m) * lanes * 4


cdef Py_ssize_t span(Py_ssize_t outputs, Py_ssize_t step) noexcept nogil:
    """Places of the source from the first output's to the last one's."""
    return (outputs - 1) * step + 1


cdef void set_rows(Channels *job, Blocks *blocks, Py_ssize_t rows) noexcept nogil:
    blocks.rows = rows
    blocks.row_blocks = (job.OH + rows - 1) // rows
    axis_layout(&job.rows, span(rows, blocks.step_h), False)
    measure_points(job, blocks)
    blocks.slab_bytes = 0
    if job.m > 0 or not blocks.direct:
        # Winograd reads whole vectors of tiles, and the tiles after them.
        blocks.slab_bytes = ceil_to((slab_channel(&job.rows, &job.columns, job.kernel.lanes) * job.channels
                                     + 3 * job.m * job.kernel.lanes) * job.itemsize, 64)


cdef int channels(Channels *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t lanes = job.kernel.lanes, depth = job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t tasks, task, wanted, a_thread
    cdef Py_ssize_t table_bytes = 0 if depth <= FEW_STEPS else ceil_to(depth * sizeof(Py_ssize_t), 64)
    cdef Py_ssize_t few[FEW_STEPS]
    cdef Py_ssize_t *offsets = few
    cdef char *workspace = NULL
    cdef int threads
    cdef unsigned int mode = 0
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    blocks.step_h, blocks.step_w = job.rows.step, job.columns.step
    job.rows.step = job.columns.step = 1             # the slab is a plain copy with its padding, whatever the stride
    blocks.width = lanes if job.m > 0 else channels_width(job.kernel, job.outputs)
    blocks.most = job.kernel.line_tiles if job.m > 0 else job.kernel.channel_pixels[blocks.width // lanes - 1]
    blocks.column_blocks = (job.OW + MOST_COLUMNS - 1) // MOST_COLUMNS
    blocks.columns = (job.OW + blocks.column_blocks - 1) // blocks.column_blocks
    blocks.direct = (job.rows.first >= 0 and job.columns.first >= 0
                     and (job.OH - 1) * blocks.step_h + job.rows.first + job.rows.reach < job.rows.size
                     and (job.OW - 1) * blocks.step_w + job.columns.first + job.columns.reach < job.columns.size)
    axis_layout(&job.columns, span(blocks.columns, blocks.step_w), False)
    if job.m > 0:                        # tiles begin anew in each row, and the last one reads no other row
        job.columns.pitch = ceil_to(ceil_to(blocks.columns, job.m) + POINTS - job.m, job.m)
        blocks.direct = blocks.direct and job.columns.pitch == job.columns.size
    set_rows(job, &blocks, job.OH)
    while blocks.rows > 1 and slab_channel(&job.rows, &job.columns, lanes) * job.channels * job.itemsize > SLAB_BYTES:
        set_rows(job, &blocks, (blocks.rows + 1) // 2)
    if blocks.row_blocks > 1:
        set_rows(job, &blocks, (job.OH + blocks.row_blocks - 1) // blocks.row_blocks)
    threads = threads_for(<double> job.images * job.groups * job.outputs * job.OH * job.OW * depth)
    tasks = job.images * job.groups * blocks.row_blocks * blocks.column_blocks
    wanted = max(1, (TASKS_A_THREAD * threads + tasks - 1) // tasks) if threads > 1 else 1
    blocks.outputs_first = job.outputs * depth > job.images * job.channels * job.rows.size * job.columns.size
    if blocks.outputs_first:
        wanted = max(wanted, threads)
    blocks.outputs = max(1, ((job.outputs + blocks.width - 1) // blocks.width + wanted - 1) // wanted) * blocks.width
    blocks.output_blocks = (job.outputs + blocks.outputs - 1) // blocks.outputs
    if tasks * blocks.output_blocks < threads and blocks.rows > 1:
        set_rows(job, &blocks, (blocks.rows + threads - 1) // threads)
    tasks = job.images * job.groups * blocks.row_blocks * blocks.column_blocks * blocks.output_blocks
    threads = <int> min(threads, tasks)
    a_thread = blocks.slab_bytes + blocks.point_bytes + ceil_to(blocks.stage_bytes, 64)
    if table_bytes + threads * a_thread > 0:
        workspace = <char *> allocate(table_bytes + threads * a_thread)
        if workspace == NULL:
            return -1
    if table_bytes > 0:
        offsets = <Py_ssize_t *> workspace
    fill_offsets(job, &blocks, offsets)
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            run_task(job, &blocks, task, workspace + table_bytes, offsets)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                run_task(job, &blocks, task, workspace + table_bytes + threadid() * a_thread, offsets)
            leave_team(mode)
    release(workspace)
    return 0
