"""Depthwise convolution with any channel multiplier, and filters on images of one channel: there is no depth to share pixels over,
so each filter runs alone: 3 x 3 at stride 1 or 2 on the image as it lies, any other over a padded block of rows that stays in the
first-level cache."""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_layout, axis_measure, slab_channel, slab_pack, slab_plane, tap_offset

cdef enum:
    SLAB_BYTES = 64 * 1024       # a part of the second-level cache
    COLUMNS = 2048               # of a block, at most


cdef struct Blocks:
    Py_ssize_t rows, row_blocks, columns, column_blocks
    bint dense                   # 3 x 3 taps side by side, at stride 1 or 2


cdef bint is_dense(const Axis *axis, Py_ssize_t step) noexcept nogil:
    return (axis.taps == 3 and axis.step == step and 1 <= step <= 2
            and axis.offset[1] == axis.offset[0] + 1 and axis.offset[2] == axis.offset[0] + 2)


cdef void run_task(const Filters *job, const Blocks *blocks, Py_ssize_t task, char *slab, const Py_ssize_t *offsets) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, taps = job.rows.taps * job.columns.taps
    cdef Py_ssize_t column0 = task % blocks.column_blocks * blocks.columns
    cdef Py_ssize_t row0 = task // blocks.column_blocks % blocks.row_blocks * blocks.rows
    cdef Py_ssize_t plane = task // blocks.column_blocks // blocks.row_blocks
    cdef Py_ssize_t rows = min(blocks.rows, job.OH - row0), columns = min(blocks.columns, job.OW - column0)
    cdef Py_ssize_t m, filter
    if blocks.dense:
        for m in range(job.outputs):
            filter = plane % job.groups * job.outputs + m
            kernel.filter3x3(
                <int> job.rows.step, rows, job.OW, job.source + plane * job.rows.size * job.columns.size * itemsize,
                job.rows.size, job.columns.size, row0 * job.rows.step + job.rows.first, job.columns.first,
                job.weights + filter * taps * itemsize, job.bias + filter * itemsize if job.bias != NULL else NULL, job.relu, 0,
                job.output + ((plane * job.outputs + m) * job.OH + row0) * job.OW * itemsize)
        return
    slab_pack(kernel, itemsize, &job.rows, &job.columns, job.source + plane * job.rows.size * job.columns.size * itemsize, 1, 0,
              row0, rows, column0, columns, 0, slab)
    for m in range(job.outputs):
        filter = plane % job.groups * job.outputs + m
        kernel.filter_taps(rows, columns, taps, slab, job.columns.pitch, offsets, job.weights + filter * taps * itemsize,
                           job.bias + filter * itemsize if job.bias != NULL else NULL, job.relu,
                           job.output + (((plane * job.outputs + m) * job.OH + row0) * job.OW + column0) * itemsize, job.OW)


cdef int filters(Filters *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t lanes = job.kernel.lanes, taps = job.rows.taps * job.columns.taps
    cdef Py_ssize_t tasks, task, t, slab_bytes, table_bytes = (taps * sizeof(Py_ssize_t) + 63) // 64 * 64
    cdef Py_ssize_t *offsets
    cdef char *workspace
    cdef int threads
    cdef unsigned int mode = 0
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    blocks.dense = is_dense(&job.rows, job.rows.step) and is_dense(&job.columns, job.rows.step)
    blocks.columns = job.OW if blocks.dense else min(job.OW, COLUMNS)
    blocks.column_blocks = (job.OW + blocks.columns - 1) // blocks.columns
    axis_layout(&job.columns, blocks.columns, False)
    blocks.rows = job.OH
    axis_layout(&job.rows, blocks.rows, False)
    while blocks.rows > 8 and slab_channel(&job.rows, &job.columns, lanes) * job.itemsize > SLAB_BYTES:
        blocks.rows = (blocks.rows + 15) // 16 * 8       # halves, in whole steps of the kernel
        axis_layout(&job.rows, blocks.rows, False)
    blocks.row_blocks = (job.OH + blocks.rows - 1) // blocks.rows
    tasks = job.images * job.groups * blocks.row_blocks * blocks.column_blocks
    threads = <int> min(threads_for(<double> tasks * blocks.rows * blocks.columns * job.outputs * taps), tasks)
    slab_bytes = ((slab_channel(&job.rows, &job.columns, lanes) + 2 * lanes) * job.itemsize + 63) // 64 * 64
    workspace = <char *> allocate(table_bytes + threads * slab_bytes)
    if workspace == NULL:
        return -1
    offsets = <Py_ssize_t *> workspace
    for t in range(taps):
        offsets[t] = tap_offset(&job.rows, &job.columns, slab_plane(&job.rows, &job.columns, lanes), t // job.columns.taps,
                                t % job.columns.taps)
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            run_task(job, &blocks, task, workspace + table_bytes, offsets)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                run_task(job, &blocks, task, workspace + table_bytes + threadid() * slab_bytes, offsets)
            leave_team(mode)
    release(workspace)
    return 0
