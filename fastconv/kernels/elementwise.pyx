"""Functions of one element over whole arrays; dropout; PReLU with a weight for each channel."""
from libc.stdint cimport uint32_t, uint64_t
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef extern from *:
    """
    static const struct { const char *name; int work; } elementwise_functions[] = {
    #define FC_ELEMENTWISE(name, work, forward, backward) {#name, work},
    #include "elementwise.def"
    #undef FC_ELEMENTWISE
    };
    enum { ELEMENTWISE_FUNCTIONS = sizeof elementwise_functions / sizeof elementwise_functions[0] };
    """
    cdef struct Function "":
        const char *name
        int work
    const Function *elementwise_functions
    const int ELEMENTWISE_FUNCTIONS

cdef enum:
    GRAIN = 64                   # elements: a multiple of every vector
    PIECE = 16384                # elements a task: a multiple of what dropout draws at once
    WORK_DROPOUT = 8             # about so many multiply-adds is an element worth
    WORK_PRELU = 2


cdef void map_piece(const fc_kernels *kernel, int function, Py_ssize_t count, const char *x, const char *kept, double parameter,
                    char *y) noexcept nogil:
    if kept == NULL:
        kernel.map_forward(function, count, x, parameter, y)
    else:
        kernel.map_backward(function, count, x, kept, parameter, y)


cdef void map_array(int function, const Array *x, const char *kept, double parameter, char *y) noexcept nogil:
    cdef const fc_kernels *kernel = kernels(x.itemsize)
    cdef int share, threads = threads_for(<double> x.size * elementwise_functions[function].work)
    cdef Py_ssize_t first, at, count = ceil_to(ceil_div(x.size, threads), GRAIN)
    cdef unsigned int alone, mode = 0
    if threads == 1:             # a team of one would cost a tiny call a tenth of its time
        alone = enter_team()
        map_piece(kernel, function, x.size, x.data, kept, parameter, y)
        leave_team(alone)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for share in prange(threads, schedule="static"):
            first = min(share * count, x.size)
            at = first * x.itemsize
            map_piece(kernel, function, min(count, x.size - first), x.data + at, kept + at if kept != NULL else NULL, parameter, y + at)
        leave_team(mode)


def function_number(str name):
    """The number of a function of src/elementwise.def, for `forward` and `backward`."""
    cdef int number
    for number in range(ELEMENTWISE_FUNCTIONS):
        if elementwise_functions[number].name == name.encode():
            return number
    raise LookupError(name)


def forward(int function, input, output, double parameter):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    with nogil:
        map_array(function, &x, NULL, parameter, y.data)


def backward(int function, grad_output, kept, grad_input, double parameter):
    cdef Array g, x, y
    view(grad_output, &g)
    view(kept, &x)
    view(grad_input, &y, True)
    with nogil:
        map_array(function, &g, x.data, parameter, y.data)


def dropout(input, output, uint64_t stream, uint64_t key, uint32_t threshold, double scale):
    """Each element times 0 where its 32 random bits are below the threshold, else times the scale."""
    cdef Array x, y
    cdef Py_ssize_t i, pieces
    cdef unsigned int mode = 0
    cdef const fc_kernels *kernel
    view(input, &x)
    view(output, &y, True)
    with nogil:
        kernel, pieces = kernels(x.itemsize), (x.size + PIECE - 1) // PIECE
        with parallel(num_threads=threads_for(<double> x.size * WORK_DROPOUT)):
            mode = enter_team()
            for i in prange(pieces, schedule="static"):
                kernel.dropout(min(PIECE, x.size - i * PIECE), i * PIECE, stream, key, threshold, scale, x.data + i * PIECE * x.itemsize,
                               y.data + i * PIECE * x.itemsize)
            leave_team(mode)


cdef struct Prelu:
    const fc_kernels *kernel
    Py_ssize_t itemsize, outer, channels, inner
    Py_ssize_t rows, parts       # for the weights' gradient: rows (outer) or elements (inner) a sum, and sums a channel
    const char *gradient         # backward; else NULL
    const char *x
    const char *weight
    char *y


# A row is what lies side by side in memory with a weight each (inner 1), or with one weight.
cdef void prelu_row(const Prelu *job, Py_ssize_t row) noexcept nogil:
    cdef bint each = job.inner == 1
    cdef Py_ssize_t width = job.channels if each else job.inner, at = row * width * job.itemsize
    cdef const char *value = job.x if job.gradient == NULL else job.gradient
    job.kernel.prelu_row(width, value + at, job.x + at, job.weight + (0 if each else row % job.channels * job.itemsize), each, job.y + at)


def prelu(gradient, input, weight, output, Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner):
    """PReLU of (outer, channels, inner), or with a gradient its gradient for the input."""
    cdef Array g, x, w, y
    cdef Prelu job
    cdef Py_ssize_t row, rows
    cdef unsigned int mode = 0
    g.data = NULL
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    if gradient is not None:
        view(gradient, &g)
    job.gradient, job.x, job.weight, job.y, job.itemsize = g.data, x.data, w.data, y.data, x.itemsize
    job.kernel, job.outer, job.channels, job.inner = kernels(x.itemsize), outer, channels, inner
    with nogil:
        rows = outer if inner == 1 else outer * channels
        with parallel(num_threads=threads_for(<double> x.size * WORK_PRELU)):
            mode = enter_team()
            for row in prange(rows, schedule="static"):
                prelu_row(&job, row)
            leave_team(mode)


# One partial sum of each channel (inner 1: of some rows) or of one channel (of some of its elements in one row).
cdef void prelu_sum(const Prelu *job, Py_ssize_t task, double *sums) noexcept nogil:
    cdef Py_ssize_t first, at
    if job.inner == 1:
        first = task * job.rows
        at = first * job.channels * job.itemsize
        job.kernel.leaked_columns(min(job.rows, job.outer - first), job.channels, job.gradient + at, job.x + at,
                                  sums + task * job.channels)
    else:
        first = task % job.parts * PIECE
        at = (task // job.parts * job.inner + first) * job.itemsize
        sums[task] = job.kernel.leaked_sum(min(PIECE, job.inner - first), job.gradient + at, job.x + at)


def prelu_backward_weight(gradient, input, grad_weight, Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner):
    """The gradient for the weights; how the sums are cut follows from the shape alone."""
    cdef Array g, x, y
    cdef Prelu job
    cdef Py_ssize_t task, tasks, channel, part, outer_step
    cdef unsigned int mode = 0
    cdef double total
    cdef double *sums
    view(gradient, &g)
    view(input, &x)
    view(grad_weight, &y, True)
    job.gradient, job.x, job.itemsize = g.data, x.data, x.itemsize
    job.kernel, job.outer, job.channels, job.inner = kernels(x.itemsize), outer, channels, inner
    job.rows, job.parts = max(PIECE // max(channels, 1) // 8, 1), (inner + PIECE - 1) // PIECE
    tasks = (outer + job.rows - 1) // job.rows if inner == 1 else outer * channels * job.parts
    sums = <double *> allocate((tasks * (channels if inner == 1 else 1) + 1) * sizeof(double))
    if sums == NULL:
        raise MemoryError("prelu_backward: no memory for the workspace")
    with nogil:
        with parallel(num_threads=threads_for(<double> x.size * WORK_PRELU)):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                prelu_sum(&job, task, sums)
            leave_team(mode)
        for channel in range(channels):
            total = 0
            if inner == 1:
                for task in range(tasks):
                    total += sums[task * channels + channel]
            else:
                for outer_step in range(outer):
                    for part in range(job.parts):
                        total += sums[(outer_step * channels + channel) * job.parts + part]
            if job.itemsize == 4:
                (<float *> y.data)[channel] = <float> total
            else:
                (<double *> y.data)[channel] = total
        release(sums)
