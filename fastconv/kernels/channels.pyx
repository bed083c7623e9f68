"""Correlation with the output channels in the lanes: for short rows of pixels and whole vectors of channels.

    task: some rows of an image, and some output channels
      pack the slab: the rows of all source channels that the block reads, padded (or read the source itself)
        run of pixels x one or two vectors of channels    channel_tile, over the whole depth
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.runtime cimport allocate, fc_kernels, note_team, release, threads_for
from fastconv.kernels.slab cimport axis_layout, axis_measure, slab_channel, slab_pack, slab_plane, tap_offset

cdef enum:
    SLAB_BYTES = 256 * 1024      # a part of the second-level cache; a slab has at least one output row
    TASKS_A_THREAD = 2

cdef struct Blocks:
    Py_ssize_t rows, row_blocks, outputs, output_blocks, width, runs, slab_bytes
    bint direct                  # the source serves as its own slab: nothing lies outside


cdef Py_ssize_t channels_width(const fc_kernels *kernel, Py_ssize_t outputs) noexcept nogil:
    """Output channels of one tile: two vectors unless one holds them all."""
    return kernel.lanes if outputs <= kernel.lanes else 2 * kernel.lanes


cdef void run_task(const Channels *job, const Blocks *blocks, Py_ssize_t task, char *slab, const Py_ssize_t *offsets) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, width = blocks.width
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t m0 = task % blocks.output_blocks * blocks.outputs
    cdef Py_ssize_t row0 = task // blocks.output_blocks % blocks.row_blocks * blocks.rows
    cdef Py_ssize_t index = task // blocks.output_blocks // blocks.row_blocks
    cdef Py_ssize_t group = index % job.groups
    cdef Py_ssize_t rows = min(blocks.rows, job.OH - row0), stop = min(job.outputs, m0 + blocks.outputs)
    cdef Py_ssize_t source_plane = job.rows.size * job.columns.size, plane = job.OH * job.OW
    cdef Py_ssize_t blocks_a_group = (job.outputs + width - 1) // width
    cdef Py_ssize_t m, r, run, p0, p1, pitch = job.columns.pitch
    cdef const char *base = slab
    cdef const char *source = job.source + index * job.channels * source_plane * itemsize
    if blocks.direct:
        pitch = job.columns.size
        base = source + (row0 + job.rows.first) * pitch * itemsize + job.columns.first * itemsize
    else:
        slab_pack(kernel, itemsize, &job.rows, &job.columns, source, job.channels, source_plane, row0, rows, 0, job.OW, 0, slab)
    for m from m0 <= m < stop by width:
        for r in range(rows):
            for run in range(blocks.runs):
                p0, p1 = job.OW * run // blocks.runs, job.OW * (run + 1) // blocks.runs
                kernel.channel_tile(
                    depth, width // kernel.lanes, p1 - p0, base + (r * pitch + p0) * itemsize, offsets,
                    job.weights + (group * blocks_a_group * width + m) * depth * itemsize,
                    job.bias + (group * blocks_a_group * width + m) * itemsize, job.relu, min(width, stop - m),
                    job.output + ((index * job.outputs + m) * plane + (row0 + r) * job.OW + p0) * itemsize, plane)


cdef void fill_offsets(const Channels *job, bint direct, Py_ssize_t *offsets) noexcept nogil:
    """Where each step of the depth reads, in the source itself or in the slab."""
    cdef Py_ssize_t plane = slab_plane(&job.rows, &job.columns, job.kernel.lanes), c, th, tw, k = 0
    cdef Py_ssize_t stride = job.rows.size * job.columns.size if direct else slab_channel(&job.rows, &job.columns, job.kernel.lanes)
    for c in range(job.channels):
        for th in range(job.rows.taps):
            for tw in range(job.columns.taps):
                if direct:
                    offsets[k] = (c * stride + (job.rows.offset[th] - job.rows.first) * job.columns.size
                                  + job.columns.offset[tw] - job.columns.first)
                else:
                    offsets[k] = c * stride + tap_offset(&job.rows, &job.columns, plane, th, tw)
                k += 1


cdef int channels(Channels *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t lanes = job.kernel.lanes, taps = job.rows.taps * job.columns.taps, depth = job.channels * taps
    cdef Py_ssize_t tasks, task, most, wanted
    cdef Py_ssize_t table_bytes = (depth * sizeof(Py_ssize_t) + 63) // 64 * 64
    cdef Py_ssize_t *offsets
    cdef char *workspace
    cdef int threads
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    blocks.width = channels_width(job.kernel, job.outputs)
    most = job.kernel.channel_pixels[blocks.width // lanes - 1]
    blocks.runs = (job.OW + most - 1) // most
    blocks.direct = (job.rows.step == 1 and job.columns.step == 1 and job.rows.first >= 0 and job.columns.first >= 0
                     and job.OH - 1 + job.rows.first + job.rows.reach < job.rows.size
                     and job.OW - 1 + job.columns.first + job.columns.reach < job.columns.size)
    axis_layout(&job.columns, job.OW, False)
    blocks.rows = job.OH
    axis_layout(&job.rows, blocks.rows, False)
    while blocks.rows > 1 and slab_channel(&job.rows, &job.columns, lanes) * job.channels * job.itemsize > SLAB_BYTES:
        blocks.rows = (blocks.rows + 1) // 2
        axis_layout(&job.rows, blocks.rows, False)
    threads = threads_for(<double> job.images * job.groups * job.outputs * job.OH * job.OW * depth)
    blocks.row_blocks = (job.OH + blocks.rows - 1) // blocks.rows
    tasks = job.images * job.groups * blocks.row_blocks
    wanted = max(1, (TASKS_A_THREAD * threads + tasks - 1) // tasks) if threads > 1 else 1
    blocks.outputs = max(1, ((job.outputs + blocks.width - 1) // blocks.width + wanted - 1) // wanted) * blocks.width
    blocks.output_blocks = (job.outputs + blocks.outputs - 1) // blocks.outputs
    if tasks * blocks.output_blocks < threads and blocks.rows > 1:
        blocks.rows = (blocks.rows + threads - 1) // threads
        blocks.row_blocks = (job.OH + blocks.rows - 1) // blocks.rows
        axis_layout(&job.rows, blocks.rows, False)
    tasks = job.images * job.groups * blocks.row_blocks * blocks.output_blocks
    threads = <int> min(threads, tasks)
    blocks.slab_bytes = 0 if blocks.direct else (
        slab_channel(&job.rows, &job.columns, lanes) * job.channels * job.itemsize + 63) // 64 * 64
    workspace = <char *> allocate(table_bytes + threads * blocks.slab_bytes)
    if workspace == NULL:
        return -1
    offsets = <Py_ssize_t *> workspace
    fill_offsets(job, blocks.direct, offsets)
    if threads == 1:                     # a team of one would cost as much as a small layer
        note_team()
        for task in range(tasks):
            run_task(job, &blocks, task, workspace + table_bytes, offsets)
    else:
        with parallel(num_threads=threads):
            note_team()
            for task in prange(tasks, schedule="dynamic"):
                run_task(job, &blocks, task, workspace + table_bytes + threadid() * blocks.slab_bytes, offsets)
    release(workspace)
    return 0
