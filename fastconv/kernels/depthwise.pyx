"""The gradients of 3 x 3 filters that each see one channel, at stride 1 or 2: planes of image and gradient are read as they lie in
memory.

    gradient of the input     task: some rows of an image's channel; its filters add up there, in their order
    gradient of the weights   task: a filter and a part of the images and rows; the parts are added in order

The batch is cut into parts only where there are few filters, and into a number that follows from the shapes alone.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memset

from fastconv.kernels.runtime cimport allocate, note_team, release, threads_for
from fastconv.kernels.slab cimport Axis
from fastconv.kernels.weight_gradient cimport weight_gradient

cdef enum:
    FEW_TASKS = 16               # below so many, planes are cut into blocks of rows
    LEAST_ROWS = 8               # of a block: each reads two more


cdef Py_ssize_t row_blocks(Py_ssize_t planes, Py_ssize_t rows) noexcept nogil:
    """Blocks of the rows of each plane: enough for a number of threads."""
    return max(1, min(rows // LEAST_ROWS, (FEW_TASKS + planes - 1) // planes))


cdef void spread_rows(const Turned *job, Py_ssize_t plane, Py_ssize_t row0, Py_ssize_t rows, const char *turned) noexcept nogil:
    """All filters of one plane of the output."""
    cdef Py_ssize_t f, filter, source
    cdef char *output = job.output + (plane * job.OH + row0) * job.OW * job.itemsize
    for f in range(job.filters):
        filter = plane % job.groups * job.filters + f
        source = (plane * job.filters + f) * job.H * job.W
        if job.stride == 1:
            job.kernel.filter3x3(1, rows, job.OW, job.gradient + source * job.itemsize, job.H, job.W, row0 + job.pad_h - 2,
                                 job.pad_w - 2, turned + filter * 9 * job.itemsize, NULL, 0, f > 0, output)
        else:
            job.kernel.turned3x3(rows, job.OW, job.gradient + source * job.itemsize, job.H, job.W, row0 + job.pad_h, job.pad_w,
                                 job.weights + filter * 9 * job.itemsize, f > 0, output)


cdef int depthwise_input(const Turned *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t filters = job.groups * job.filters, planes = job.images * job.groups, task, t
    cdef Py_ssize_t blocks = row_blocks(planes, job.OH)
    cdef int threads = <int> min(threads_for(<double> job.images * filters * job.H * job.W * 9), planes * blocks)
    cdef char *turned = <char *> allocate(filters * 9 * job.itemsize)
    if turned == NULL:
        return -1
    for t in range(9):
        job.kernel.copy_strided(filters, job.weights + (8 - t) * job.itemsize, 9, turned + t * job.itemsize, 9)
    with parallel(num_threads=threads):
        note_team()
        for task in prange(planes * blocks, schedule="static"):
            spread_rows(job, task // blocks, job.OH * (task % blocks) // blocks,
                        job.OH * (task % blocks + 1) // blocks - job.OH * (task % blocks) // blocks, turned)
    release(turned)
    return 0


cdef bint is_dense(const Axis *axis, Py_ssize_t step) noexcept nogil:
    return (axis.taps == 3 and axis.step == step and 1 <= step <= 2
            and axis.offset[1] == axis.offset[0] + 1 and axis.offset[2] == axis.offset[0] + 2)


cdef bint suits_depthwise(const WeightGradient *job) noexcept nogil:
    return job.channels == 1 and is_dense(&job.rows, job.rows.step) and is_dense(&job.columns, job.rows.step)


cdef void sum_part(const WeightGradient *job, Py_ssize_t filter, Py_ssize_t blocks, Py_ssize_t first, Py_ssize_t last, char *sums,
                   char *weight) noexcept nogil:
    """One filter's sum over the blocks of rows first..last - 1 of all images."""
    cdef Py_ssize_t piece, image, row0, row1, vectors = job.kernel.lanes * job.itemsize
    cdef Py_ssize_t plane = job.rows.size * job.columns.size
    memset(sums, 0, 9 * vectors)
    for piece in range(first, last):
        image = piece // blocks
        row0, row1 = job.grid_rows * (piece % blocks) // blocks, job.grid_rows * (piece % blocks + 1) // blocks
        job.kernel.weight3x3(
            <int> job.rows.step, row1 - row0, job.grid_columns,
            job.gradient + ((image * job.groups * job.outputs + filter) * job.grid_rows + row0) * job.grid_columns * job.itemsize,
            job.source + (image * job.groups + filter // job.outputs) * plane * job.itemsize, job.rows.size, job.columns.size,
            row0 * job.rows.step + job.rows.offset[0], job.columns.offset[0], sums)
    job.kernel.weight_sums(9, sums, weight)


cdef int depthwise_weight(WeightGradient *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t filters = job.groups * job.outputs, blocks = row_blocks(filters * job.images, job.grid_rows)
    cdef Py_ssize_t pieces = job.images * blocks, parts = min(pieces, (FEW_TASKS + filters - 1) // filters), task, part
    cdef Py_ssize_t vectors = 9 * job.kernel.lanes * job.itemsize
    cdef int threads = <int> min(threads_for(<double> job.images * filters * job.grid_rows * job.grid_columns * 9), filters * parts)
    cdef char *sums = <char *> allocate(threads * vectors)
    cdef char *weights = job.weight if parts == 1 else <char *> allocate(parts * filters * 9 * job.itemsize)
    cdef int status = -1
    if sums != NULL and weights != NULL:
        with parallel(num_threads=threads):
            note_team()
            for task in prange(filters * parts, schedule="static"):
                part = task // filters
                sum_part(job, task % filters, blocks, pieces * part // parts, pieces * (part + 1) // parts,
                         sums + threadid() * vectors, weights + task * 9 * job.itemsize)
        if parts > 1:
            job.kernel.sum_rows(parts, filters * 9, weights, filters * 9, job.weight)
        status = 0
    release(sums)
    if parts > 1:
        release(weights)
    # The padding's zeros are multiplied by gradients that are not finite, into NaNs that no term of the sum is: once more, with care.
    if status == 0 and not job.kernel.all_finite(filters * 9, job.weight):
        status = weight_gradient(job)
    return status
