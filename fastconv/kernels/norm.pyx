"""Batch normalisation of (N, C, L): statistics, running statistics, output."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.batch cimport (
    BLOCK, COLUMNS, WORK, Batch, batch_start, block_of, lost, number, optional, put, rounded
)
from fastconv.kernels.runtime cimport (
    allocate, enter_team, fc_inverse, fc_merge, fc_moments, leave_team, release, threads_for
)

cdef void output_terms(const Batch *job, Py_ssize_t c, double *terms) noexcept nogil:
    """(mean, scale, shift): what rounding takes from the mean goes into the shift, so a large mean costs no digits."""
    terms[0] = rounded(job.mean[c], job.itemsize)
    terms[1] = job.inverse[c] * number(job.weight, c, job.itemsize, 1)
    terms[2] = number(job.bias, c, job.itemsize, 0) - lost(job.mean[c], terms[0]) * terms[1]


cdef void block_statistics(const Batch *job, Py_ssize_t c, Py_ssize_t block, const char *x, fc_moments *result) noexcept nogil:
    cdef Py_ssize_t row, first, count, rows = block_of(job, block, &row, &first, &count)
    result.count = 0
    if rows > 0 and count > 0:
        job.kernel.moments(rows, count, x + ((row * job.C + c) * job.L + first) * job.itemsize, job.C * job.L, result)


cdef void block_output(const Batch *job, Py_ssize_t c, Py_ssize_t block, const char *x, char *y) noexcept nogil:
    cdef Py_ssize_t row, first, count, rows = block_of(job, block, &row, &first, &count)
    cdef Py_ssize_t at = ((row * job.C + c) * job.L + first) * job.itemsize
    cdef double terms[3]
    output_terms(job, c, terms)
    job.kernel.affine_rows(rows, count, x + at, job.C * job.L, terms, 0, y + at)


cdef void column_statistics(const Batch *job, Py_ssize_t task, const char *x, fc_moments *parts) noexcept nogil:
    """One block of COLUMNS channels; parts: [blocks][C]."""
    cdef Py_ssize_t tasks = (job.C + COLUMNS - 1) // COLUMNS, row = task // tasks * job.rows, c = task % tasks * COLUMNS
    job.kernel.column_moments(min(job.rows, job.N - row), min(COLUMNS, job.C - c), x + (row * job.C + c) * job.itemsize, job.C,
                              parts + task // tasks * job.C + c)


cdef void finish_channel(Batch *job, Py_ssize_t c, const fc_moments *parts, Py_ssize_t step, double eps, double momentum,
                         char *running_mean, char *running_var) noexcept nogil:
    """Mean and deviation of a channel from its blocks, and the running statistics moved towards them."""
    cdef fc_moments whole
    cdef Py_ssize_t b
    whole.count = whole.mean = whole.squares = whole.strange = 0
    for b in range(job.blocks):
        fc_merge(&whole, &parts[b * step])
    job.mean[c] = whole.mean
    job.inverse[c] = fc_inverse(whole.squares / whole.count, eps)
    if running_mean != NULL:
        put(running_mean, c, job.itemsize, momentum * whole.mean + (1 - momentum) * number(running_mean, c, job.itemsize, 0))
        put(running_var, c, job.itemsize,
            momentum * (whole.squares / (whole.count - 1)) + (1 - momentum) * number(running_var, c, job.itemsize, 0))


cdef void write_columns(const Batch *job, const char *terms, const char *x, char *y, int threads) noexcept nogil:
    """The output where the channels lie in the lanes; terms: three arrays of C."""
    cdef unsigned int mode = 0
    cdef Py_ssize_t i, size = job.C * job.itemsize, rows = max(1, BLOCK // 4 // job.C), tasks = (job.N + rows - 1) // rows
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            job.kernel.affine_columns(min(rows, job.N - i * rows), job.C, x + i * rows * size, job.C, terms, terms + size,
                                      terms + 2 * size, y + i * rows * size)
        leave_team(mode)


cdef void write_output(const Batch *job, const char *x, char *y, char *terms) noexcept nogil:
    """The output from finished statistics."""
    cdef unsigned int mode = 0
    cdef Py_ssize_t i, j, tasks = job.C * job.blocks
    cdef int threads = threads_for(<double> job.N * job.C * job.L * WORK)
    cdef double three[3]
    if job.L == 1:
        for i in range(job.C):
            output_terms(job, i, three)
            for j in range(3):
                put(terms + j * job.C * job.itemsize, i, job.itemsize, three[j])
        write_columns(job, terms, x, y, threads)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            block_output(job, i // job.blocks, i % job.blocks, x, y)
        leave_team(mode)


cdef void train(Batch *job, const char *x, char *y, fc_moments *parts, char *terms, double eps, double momentum, char *running_mean,
                char *running_var) noexcept nogil:
    """Statistics, running statistics and, where there is a y, the output."""
    cdef unsigned int mode = 0
    cdef Py_ssize_t i, tasks
    cdef int threads = threads_for(<double> job.N * job.C * job.L * WORK)
    if job.L == 1:
        tasks = job.blocks * ((job.C + COLUMNS - 1) // COLUMNS)
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(tasks, schedule="static"):
                column_statistics(job, i, x, parts)
            leave_team(mode)
        for i in range(job.C):
            finish_channel(job, i, parts + i, job.C, eps, momentum, running_mean, running_var)
    elif job.blocks == 1:        # a channel at a time
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(job.C, schedule="static"):
                block_statistics(job, i, 0, x, parts + i)
                finish_channel(job, i, parts + i, 1, eps, momentum, running_mean, running_var)
                if y != NULL:
                    block_output(job, i, 0, x, y)
            leave_team(mode)
        return
    else:
        tasks = job.C * job.blocks
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(tasks, schedule="static"):
                block_statistics(job, i // job.blocks, i % job.blocks, x, parts + i)
            leave_team(mode)
        for i in range(job.C):
            finish_channel(job, i, parts + i * job.blocks, 1, eps, momentum, running_mean, running_var)
    if y != NULL:
        write_output(job, x, y, terms)


def batch_norm_train(input, weight, bias, running_mean, running_var, double momentum, double eps, output, mean, inverse):
    """The statistics of the batch into mean and inverse, the output where there is one."""
    cdef Array x, w, b, rm, rv, y, m, s
    cdef Batch job
    cdef fc_moments *parts
    cdef char *terms
    cdef unsigned int mode = 0
    view(input, &x)
    view(mean, &m, True)
    view(inverse, &s, True)
    optional(weight, &w)
    optional(bias, &b)
    optional(running_mean, &rm, True)
    optional(running_var, &rv, True)
    optional(output, &y, True)
    batch_start(&job, &x)
    job.mean, job.inverse, job.weight, job.bias = <double *> m.data, <double *> s.data, w.data, b.data
    parts = <fc_moments *> allocate(job.C * (job.blocks * sizeof(fc_moments) + 4 * sizeof(double)))
    if parts == NULL:
        raise MemoryError("batch_norm: no memory for the statistics")
    terms = <char *> (parts + job.C * job.blocks)
    with nogil:
        mode = enter_team()
        train(&job, x.data, y.data, parts, terms, eps, momentum, rm.data, rv.data)
        leave_team(mode)
        release(parts)


def batch_norm_running(running_mean, running_var, double eps, mean, inverse):
    """mean and inverse from the running statistics."""
    cdef Array rm, rv, m, s
    cdef Py_ssize_t c
    cdef unsigned int mode = 0
    view(running_mean, &rm)
    view(running_var, &rv)
    view(mean, &m, True)
    view(inverse, &s, True)
    mode = enter_team()
    for c in range(rm.size):
        (<double *> m.data)[c] = number(rm.data, c, rm.itemsize, 0)
        (<double *> s.data)[c] = fc_inverse(number(rv.data, c, rv.itemsize, 0), eps)
    leave_team(mode)


def batch_norm_apply(input, weight, bias, mean, inverse, output):
    """The output from given statistics."""
    cdef Array x, w, b, y, m, s
    cdef Batch job
    cdef char *terms
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    view(mean, &m)
    view(inverse, &s)
    optional(weight, &w)
    optional(bias, &b)
    batch_start(&job, &x)
    job.mean, job.inverse, job.weight, job.bias = <double *> m.data, <double *> s.data, w.data, b.data
    terms = <char *> allocate(3 * job.C * sizeof(double))
    if terms == NULL:
        raise MemoryError("batch_norm: no memory for its terms")
    with nogil:
        mode = enter_team()
        write_output(&job, x.data, y.data, terms)
        leave_team(mode)
        release(terms)
