"""The gradient of batch normalisation of (N, C, L): sums of each channel, then one pass over the elements."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.batch cimport (
    BLOCK, COLUMNS, WORK, Batch, batch_start, block_of, lost, number, optional, put, rounded
)
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for

cdef struct Gradient:
    Batch batch
    const char *g
    const char *x
    char *gx                     # NULL where it is not wanted
    char *gw
    char *gb
    bint training
    double *sums                 # [C or blocks][..][2]: of grad_output, and of grad_output * (input - mean)
    char *terms                  # where the channels lie in the lanes: four arrays of C


cdef void finish_channel(Gradient *job, Py_ssize_t c, Py_ssize_t first, Py_ssize_t step, double *terms) noexcept nogil:
    """The gradients of weight and bias from the sums of the blocks, and (mean, own, slope, shift) of the input's:
    grad_output * own + (input - mean) * slope + shift. The mean is rounded; what that took is put right here."""
    cdef const Batch *batch = &job.batch
    cdef double count = <double> batch.N * <double> batch.L, plain = 0, moved = 0, off
    cdef Py_ssize_t b
    for b in range(batch.blocks):
        plain += job.sums[2 * (first + b * step)]
        moved += job.sums[2 * (first + b * step) + 1]
    terms[0] = rounded(batch.mean[c], batch.itemsize)
    off = lost(batch.mean[c], terms[0])
    moved -= off * plain
    terms[1] = batch.inverse[c] * number(batch.weight, c, batch.itemsize, 1)
    terms[2] = -terms[1] * batch.inverse[c] * batch.inverse[c] * moved / count
    terms[3] = -terms[1] * plain / count - off * terms[2]
    if job.gw != NULL:
        put(job.gw, c, batch.itemsize, moved * batch.inverse[c])
    if job.gb != NULL:
        put(job.gb, c, batch.itemsize, plain)


cdef void block_sums(const Gradient *job, Py_ssize_t c, Py_ssize_t block, double *sums) noexcept nogil:
    cdef const Batch *batch = &job.batch
    cdef Py_ssize_t row, first, count, rows = block_of(batch, block, &row, &first, &count)
    cdef Py_ssize_t at = ((row * batch.C + c) * batch.L + first) * batch.itemsize
    sums[0] = sums[1] = 0
    batch.kernel.gradient_sums(rows, count, job.g + at, job.x + at, batch.C * batch.L, rounded(batch.mean[c], batch.itemsize), sums)


cdef void block_gradient(const Gradient *job, Py_ssize_t c, Py_ssize_t block, const double *terms) noexcept nogil:
    cdef const Batch *batch = &job.batch
    cdef Py_ssize_t row, first, count, rows = block_of(batch, block, &row, &first, &count)
    cdef Py_ssize_t at = ((row * batch.C + c) * batch.L + first) * batch.itemsize
    batch.kernel.affine_gradient_rows(rows, count, job.g + at, job.x + at if job.training else NULL, batch.C * batch.L, terms, 0,
                                      job.gx + at)


cdef void one_channel(Gradient *job, Py_ssize_t c) noexcept nogil:
    cdef double terms[4]
    block_sums(job, c, 0, job.sums + 2 * c)
    finish_channel(job, c, c, 1, terms)
    if job.gx != NULL:
        block_gradient(job, c, 0, terms)


cdef void column_sums(Gradient *job, Py_ssize_t task) noexcept nogil:
    """One block of COLUMNS channels; sums: [blocks][C][2]."""
    cdef const Batch *batch = &job.batch
    cdef Py_ssize_t tasks = (batch.C + COLUMNS - 1) // COLUMNS, row = task // tasks * batch.rows, c = task % tasks * COLUMNS
    cdef Py_ssize_t at = (row * batch.C + c) * batch.itemsize, i, count = min(COLUMNS, batch.C - c)
    cdef double *sums = job.sums + 2 * (task // tasks * batch.C + c)
    for i in range(2 * count):
        sums[i] = 0
    batch.kernel.column_gradient_sums(min(batch.rows, batch.N - row), count, job.g + at, job.x + at, batch.C,
                                      job.terms + c * batch.itemsize, sums)


cdef void columns_gradient(Gradient *job, int threads) noexcept nogil:
    cdef unsigned int mode = 0
    cdef const Batch *batch = &job.batch
    cdef Py_ssize_t i, j, size = batch.C * batch.itemsize, tasks = batch.blocks * ((batch.C + COLUMNS - 1) // COLUMNS)
    cdef Py_ssize_t rows = max(1, BLOCK // 4 // batch.C), pieces = (batch.N + rows - 1) // rows
    cdef double four[4]
    cdef const void *arrays[4]
    for i in range(batch.C):
        put(job.terms, i, batch.itemsize, batch.mean[i])
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            column_sums(job, i)
        leave_team(mode)
    for i in range(batch.C):
        finish_channel(job, i, i, batch.C, four)
        for j in range(4):
            put(job.terms + j * size, i, batch.itemsize, four[j])
    if job.gx == NULL:
        return
    for j in range(4):
        arrays[j] = job.terms + j * size
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            batch.kernel.affine_gradient_columns(min(rows, batch.N - i * rows), batch.C, job.g + i * rows * size,
                                                 job.x + i * rows * size if job.training else NULL, batch.C, arrays,
                                                 job.gx + i * rows * size)
        leave_team(mode)


cdef void planes_gradient(Gradient *job, int threads) noexcept nogil:
    cdef unsigned int mode = 0
    cdef const Batch *batch = &job.batch
    cdef Py_ssize_t i, c, tasks = batch.C * batch.blocks
    cdef double *terms = <double *> job.terms
    if batch.blocks == 1:        # a channel at a time
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(batch.C, schedule="static"):
                one_channel(job, i)
            leave_team(mode)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            block_sums(job, i // batch.blocks, i % batch.blocks, job.sums + 2 * i)
        leave_team(mode)
    for c in range(batch.C):
        finish_channel(job, c, c * batch.blocks, 1, terms + 4 * c)
    if job.gx == NULL:
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            block_gradient(job, i // batch.blocks, i % batch.blocks, terms + 4 * (i // batch.blocks))
        leave_team(mode)


def batch_norm_backward(grad_output, input, weight, mean, inverse, bint training, grad_input, grad_weight, grad_bias):
    """The gradients that are not None, from the statistics of the forward."""
    cdef Array g, x, w, m, s, gx, gw, gb
    cdef Gradient job
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(input, &x)
    view(mean, &m)
    view(inverse, &s)
    optional(weight, &w)
    optional(grad_input, &gx, True)
    optional(grad_weight, &gw, True)
    optional(grad_bias, &gb, True)
    batch_start(&job.batch, &x)
    job.batch.mean, job.batch.inverse, job.batch.weight = <double *> m.data, <double *> s.data, w.data
    job.g, job.x, job.gx, job.gw, job.gb, job.training = g.data, x.data, gx.data, gw.data, gb.data, training
    job.sums = <double *> allocate(job.batch.C * (2 * job.batch.blocks + 4) * sizeof(double))
    if job.sums == NULL:
        raise MemoryError("batch_norm_backward: no memory for the sums")
    job.terms = <char *> (job.sums + 2 * job.batch.C * job.batch.blocks)
    with nogil:
        mode = enter_team()
        if job.batch.L == 1:
            columns_gradient(&job, threads_for(<double> x.size * WORK))
        else:
            planes_gradient(&job, threads_for(<double> x.size * WORK))
        leave_team(mode)
        release(job.sums)
