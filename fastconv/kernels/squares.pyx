"""The squared difference of two arrays, its sum and its gradient, in pieces; the pieces' sums are added in order."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    PIECE = 16384                # elements a task
    FEW = 64                     # pieces whose sums need no memory of their own

cdef struct Squares:
    const fc_kernels *kernel
    Py_ssize_t itemsize, size, pieces
    const char *input
    const char *target
    const char *weight           # or NULL
    const char *gradient         # or NULL
    double factor
    char *output                 # or NULL: sums
    double *sums


cdef const char *shifted(const char *data, Py_ssize_t offset) noexcept nogil:
    return data + offset if data != NULL else NULL


cdef void run_piece(const Squares *job, Py_ssize_t piece, bint backward) noexcept nogil:
    cdef Py_ssize_t at = piece * PIECE * job.itemsize, count = min(PIECE, job.size - piece * PIECE)
    if backward:
        job.kernel.squares_backward(count, shifted(job.gradient, at), job.input + at, job.target + at, shifted(job.weight, at),
                                    job.factor, job.output + at)
    elif job.output != NULL:
        job.kernel.squares(count, job.input + at, job.target + at, shifted(job.weight, at), job.output + at)
    else:
        job.sums[piece] = job.kernel.sum_squares(count, job.input + at, job.target + at, shifted(job.weight, at))


cdef void run(const Squares *job, bint backward) noexcept nogil:
    cdef Py_ssize_t piece
    cdef unsigned int alone, mode = 0
    cdef int threads = threads_for(<double> job.size)
    if threads == 1:
        alone = enter_team()
        for piece in range(job.pieces):
            run_piece(job, piece, backward)
        leave_team(alone)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for piece in prange(job.pieces, schedule="static"):
            run_piece(job, piece, backward)
        leave_team(mode)


cdef int set_up(Squares *job, input, target, weight) except -1:
    cdef Array x, t, w
    w.data = NULL
    view(input, &x)
    view(target, &t)
    if weight is not None:
        view(weight, &w)
    job.kernel = kernels(x.itemsize)
    job.itemsize, job.size, job.pieces = x.itemsize, x.size, (x.size + PIECE - 1) // PIECE
    job.input, job.target, job.weight, job.gradient, job.factor = x.data, t.data, w.data, NULL, 1
    return 0


def squares(input, target, weight, output):
    cdef Squares job
    cdef Array y
    set_up(&job, input, target, weight)
    view(output, &y, True)
    job.output = y.data
    with nogil:
        run(&job, False)


def sum_squares(input, target, weight, double divisor):
    """Over the divisor, and as the element type holds it."""
    cdef Squares job
    cdef Py_ssize_t piece
    cdef double total = 0
    cdef double few[FEW]
    set_up(&job, input, target, weight)
    job.output, job.sums = NULL, few
    if job.pieces > FEW:
        job.sums = <double *> allocate(job.pieces * sizeof(double))
        if job.sums == NULL:
            raise MemoryError("mse_loss: no memory for the workspace")
    with nogil:
        run(&job, False)
        for piece in range(job.pieces):
            total += job.sums[piece]
        if job.pieces > FEW:
            release(job.sums)
        total /= divisor
    return <float> total if job.itemsize == 4 else total


def backward(gradient, double factor, double divisor, input, target, weight, grad_input):
    """(input - target) * factor / divisor, times the weight and the gradient where there are any."""
    cdef Squares job
    cdef Array g, y
    set_up(&job, input, target, weight)
    view(grad_input, &y, True)
    if gradient is not None:
        view(gradient, &g)
        job.gradient = g.data
    job.output, job.factor = y.data, factor / divisor
    with nogil:
        run(&job, True)
