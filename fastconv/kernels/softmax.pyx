"""Softmax and its logarithm along the middle axis of (outer, n, inner), and their gradients: by rows where the axis is the last, else
down the columns, some at a time, so that nothing is transposed."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, fc_kernels, kernels, leave_team, threads_for
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef enum:
    WORK = 16                    # about so many multiply-adds is an element worth
    CACHE = 256 * 1024           # bytes of columns a task: it goes through them twice, and its output once
    FEWEST_COLUMNS = 32
    MOST_COLUMNS = 1024          # long stretches of a row, which memory likes

cdef struct Softmax:
    const fc_kernels *kernel
    bint logarithmic
    Py_ssize_t itemsize, n, inner
    Py_ssize_t columns, blocks, tasks     # columns a task (0: a task is a row), tasks an outer index
    const char *x                         # the input, or backward the gradient
    const char *value                     # backward: what the forward returned; else NULL
    char *y


cdef void set_up(Softmax *job, const Array *x, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
    job.kernel = kernels(x.itemsize)
    job.x, job.itemsize, job.n, job.inner = x.data, x.itemsize, n, inner
    job.columns, job.blocks = 0, 1
    if inner > 1:
        job.columns = min(max(CACHE // (n * x.itemsize) // FEWEST_COLUMNS * FEWEST_COLUMNS, FEWEST_COLUMNS), MOST_COLUMNS)
        job.blocks = ceil_div(inner, job.columns)
        job.columns = ceil_to(ceil_div(inner, job.blocks), FEWEST_COLUMNS)       # of one size
        job.blocks = ceil_div(inner, job.columns)
    job.tasks = x.size // n // inner * job.blocks


cdef void run_task(const Softmax *job, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t first = task % job.blocks * job.columns
    cdef Py_ssize_t at = (task // job.blocks * job.n * job.inner + first) * job.itemsize
    cdef Py_ssize_t columns = min(job.columns, job.inner - first)
    if job.columns == 0:
        if job.value == NULL:
            job.kernel.softmax_row(job.logarithmic, job.n, job.x + at, job.y + at)
        else:
            job.kernel.softmax_row_backward(job.logarithmic, job.n, job.x + at, job.value + at, job.y + at)
    elif job.value == NULL:
        job.kernel.softmax_columns(job.logarithmic, job.n, columns, job.x + at, job.inner, job.y + at, job.inner)
    else:
        job.kernel.softmax_columns_backward(job.logarithmic, job.n, columns, job.inner, job.x + at, job.value + at, job.y + at)


cdef void run(const Softmax *job) noexcept nogil:
    cdef Py_ssize_t task
    cdef unsigned int alone, mode = 0
    cdef int threads = threads_for(<double> job.tasks * job.n * max(job.columns, 1) * WORK)
    if threads == 1:
        alone = enter_team()
        for task in range(job.tasks):
            run_task(job, task)
        leave_team(alone)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for task in prange(job.tasks, schedule="static"):
            run_task(job, task)
        leave_team(mode)


def forward(bint logarithmic, input, output, Py_ssize_t n, Py_ssize_t inner):
    cdef Array x, y
    cdef Softmax job
    view(input, &x)
    view(output, &y, True)
    if x.size == 0:
        return
    with nogil:
        set_up(&job, &x, n, inner)
        job.logarithmic, job.value, job.y = logarithmic, NULL, y.data
        run(&job)


def backward(bint logarithmic, grad_output, output, grad_input, Py_ssize_t n, Py_ssize_t inner):
    cdef Array g, value, y
    cdef Softmax job
    view(grad_output, &g)
    view(output, &value)
    view(grad_input, &y, True)
    if g.size == 0:
        return
    with nogil:
        set_up(&job, &g, n, inner)
        job.logarithmic, job.value, job.y = logarithmic, value.data, y.data
        run(&job)
