"""Normalisation within an image: whole rows (layer_norm), or groups of channels (group_norm); forward and backward.

Each row's sums depend on its length alone. The gradients of weight and bias are summed over fixed blocks of rows, whose
number follows from the shape.
"""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.batch cimport optional
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    WORK = 4                     # about so many multiply-adds is an element worth
    ROWS = 4096                  # elements a task, at least
    BLOCKS = 32                  # blocks of rows, at most, each with sums of its own
    LONG_ROW = 16384             # elements of the weight; from here on the sums are made by columns instead
    PIECE = 1024                 # columns a task then

cdef struct Rows:
    const fc_kernels *kernel
    Py_ssize_t itemsize, rows, length, groups
    const char *weight           # [groups][length] or NULL
    const char *bias
    double *mean                 # [rows]
    double *inverse


cdef void rows_start(Rows *job, const Array *x, Py_ssize_t groups, const Array *mean, const Array *inverse) noexcept nogil:
    job.kernel, job.itemsize = kernels(x.itemsize), x.itemsize
    job.rows, job.length, job.groups = x.shape[0], x.shape[1], groups
    job.weight = job.bias = NULL
    job.mean, job.inverse = <double *> mean.data, <double *> inverse.data


cdef void forward(const Rows *job, const char *x, char *y, double eps) noexcept nogil:
    cdef unsigned int mode = 0
    cdef Py_ssize_t i, together = (ROWS + job.length - 1) // job.length, tasks = (job.rows + together - 1) // together
    cdef Py_ssize_t size = together * job.length * job.itemsize
    with parallel(num_threads=threads_for(<double> job.rows * job.length * WORK)):
        mode = enter_team()
        for i in prange(tasks, schedule="static"):
            job.kernel.normalize_rows(min(together, job.rows - i * together), job.length, x + i * size, job.weight, job.bias,
                                      i * together % job.groups, job.groups, eps, y + i * size if y != NULL else NULL,
                                      job.mean + i * together, job.inverse + i * together)
        leave_team(mode)


def row_norm_forward(input, weight, bias, Py_ssize_t groups, double eps, output, mean, inverse):
    """Rows of (rows, length); row r has the weight and bias of group r % groups. Without an output the statistics alone."""
    cdef Array x, w, b, y, m, s
    cdef Rows job
    view(input, &x)
    view(mean, &m, True)
    view(inverse, &s, True)
    optional(weight, &w)
    optional(bias, &b)
    optional(output, &y, True)
    rows_start(&job, &x, groups, &m, &s)
    job.weight, job.bias = w.data, b.data
    with nogil:
        forward(&job, x.data, y.data, eps)


cdef void some_rows(const Rows *job, Py_ssize_t row, Py_ssize_t rows, const char *g, const char *x, char *gx, char *gw,
                    char *gb) noexcept nogil:
    cdef Py_ssize_t at = row * job.length * job.itemsize
    if rows > 0:
        job.kernel.normalize_rows_gradient(rows, job.length, job.length, g + at, x + at, job.weight, row % job.groups, job.groups,
                                           job.mean + row, job.inverse + row, gx + at if gx != NULL else NULL, gw, gb)


cdef void by_columns(const Rows *job, const char *g, const char *x, char *gx, char *gw, char *gb) noexcept nogil:
    cdef unsigned int mode = 0
    cdef Py_ssize_t i, at, size = job.itemsize, pieces = (job.length + PIECE - 1) // PIECE
    cdef int threads = threads_for(<double> job.rows * job.length * WORK)
    if gx != NULL:
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(job.rows, schedule="static"):
                some_rows(job, i, 1, g, x, gx, NULL, NULL)
            leave_team(mode)
    if gw == NULL and gb == NULL:
        return
    if gw != NULL:
        job.kernel.fill(job.groups * job.length, 0, gw)
    if gb != NULL:
        job.kernel.fill(job.groups * job.length, 0, gb)
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            at = i * PIECE * size
            job.kernel.normalize_rows_gradient(job.rows, min(PIECE, job.length - i * PIECE), job.length, g + at, x + at, NULL, 0,
                                               job.groups, job.mean, job.inverse, NULL, gw + at if gw != NULL else NULL,
                                               gb + at if gb != NULL else NULL)
        leave_team(mode)


cdef int by_rows(const Rows *job, const char *g, const char *x, char *gx, char *gw, char *gb) noexcept nogil:
    """All gradients in one pass over the rows; -1 where there is no memory for the sums."""
    cdef unsigned int mode = 0
    cdef Py_ssize_t width = job.groups * job.length, size = width * job.itemsize, i
    cdef Py_ssize_t blocks = max(1, min(min(job.rows, BLOCKS), job.rows * job.length // LONG_ROW))
    cdef Py_ssize_t together = (job.rows + blocks - 1) // blocks
    cdef char *sums = <char *> allocate(2 * blocks * size)
    cdef char *gw_sums = sums if gw != NULL else NULL
    cdef char *gb_sums = sums + blocks * size if gb != NULL else NULL
    if sums == NULL:
        return -1
    with parallel(num_threads=threads_for(<double> job.rows * job.length * WORK)):
        mode = enter_team()
        for i in prange(blocks, schedule="static"):
            if gw != NULL:
                job.kernel.fill(width, 0, gw_sums + i * size)
            if gb != NULL:
                job.kernel.fill(width, 0, gb_sums + i * size)
            some_rows(job, i * together, min(together, job.rows - i * together), g, x, gx,
                      gw_sums + i * size if gw != NULL else NULL, gb_sums + i * size if gb != NULL else NULL)
        leave_team(mode)
    if gw != NULL:
        job.kernel.sum_rows(blocks, width, gw_sums, width, gw)
    if gb != NULL:
        job.kernel.sum_rows(blocks, width, gb_sums, width, gb)
    release(sums)
    return 0


def row_norm_backward(grad_output, input, weight, Py_ssize_t groups, mean, inverse, grad_input, grad_weight, grad_bias):
    """The gradients that are not None, from the statistics of the forward."""
    cdef Array g, x, w, m, s, gx, gw, gb
    cdef Rows job
    cdef int status = 0
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(input, &x)
    view(mean, &m)
    view(inverse, &s)
    optional(weight, &w)
    optional(grad_input, &gx, True)
    optional(grad_weight, &gw, True)
    optional(grad_bias, &gb, True)
    rows_start(&job, &x, groups, &m, &s)
    job.weight = w.data
    with nogil:
        mode = enter_team()
        if groups * job.length >= LONG_ROW or (gw.data == NULL and gb.data == NULL):
            by_columns(&job, g.data, x.data, gx.data, gw.data, gb.data)
        else:
            status = by_rows(&job, g.data, x.data, gx.data, gw.data, gb.data)
        leave_team(mode)
    if status:
        raise MemoryError("no memory for the sums of the gradient of weight and bias")
