"""Local response normalisation of (N, C, L), and its gradient: a window slides over the channels, the pixels lie in the lanes."""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    VECTORS = 4                  # of pixels a task
    WORK = 16                    # about so many multiply-adds is an element worth, besides its window

cdef struct Response:
    const fc_kernels *kernel
    Py_ssize_t itemsize, N, C, L, width, pieces
    Py_ssize_t before, after     # channels of a window
    double factor, beta, k


cdef void response_start(Response *job, const Array *x, Py_ssize_t size, double alpha, double beta, double k) noexcept nogil:
    job.kernel, job.itemsize = kernels(x.itemsize), x.itemsize
    job.N, job.C, job.L = x.shape[0], x.shape[1], x.shape[2]
    job.width = VECTORS * job.kernel.lanes
    job.pieces = (job.L + job.width - 1) // job.width
    job.before, job.after = min(size // 2, job.C), min((size - 1) // 2, job.C)
    job.factor, job.beta, job.k = alpha / <double> size, beta, k


cdef double work(const Response *job) noexcept nogil:
    return <double> job.N * job.C * job.L * (WORK + job.before + job.after)


cdef void some_pixels(const Response *job, Py_ssize_t task, const char *x, char *y) noexcept nogil:
    cdef Py_ssize_t first = task % job.pieces * job.width, at = (task // job.pieces * job.C * job.L + first) * job.itemsize
    job.kernel.local_response(job.C, min(job.width, job.L - first), job.L, job.before, job.after, job.factor, job.beta, job.k, x + at,
                              y + at)


cdef void some_gradient(const Response *job, Py_ssize_t task, const char *g, const char *x, char *stage, char *gx) noexcept nogil:
    cdef Py_ssize_t first = task % job.pieces * job.width, at = (task // job.pieces * job.C * job.L + first) * job.itemsize
    job.kernel.local_response_gradient(job.C, min(job.width, job.L - first), job.L, job.before, job.after, job.factor, job.beta, job.k,
                                       g + at, x + at, stage, gx + at)


def local_response_norm_forward(input, output, Py_ssize_t size, double alpha, double beta, double k):
    cdef unsigned int mode = 0
    cdef Array x, y
    cdef Response job
    cdef Py_ssize_t i
    view(input, &x)
    view(output, &y, True)
    response_start(&job, &x, size, alpha, beta, k)
    with nogil:
        with parallel(num_threads=threads_for(work(&job))):
            mode = enter_team()
            for i in prange(job.N * job.pieces, schedule="static"):
                some_pixels(&job, i, x.data, y.data)
            leave_team(mode)


def local_response_norm_backward(grad_output, input, grad_input, Py_ssize_t size, double alpha, double beta, double k):
    cdef unsigned int mode = 0
    cdef Array g, x, gx
    cdef Response job
    cdef Py_ssize_t i, stage
    cdef int threads
    cdef char *stages
    view(grad_output, &g)
    view(input, &x)
    view(grad_input, &gx, True)
    response_start(&job, &x, size, alpha, beta, k)
    threads = threads_for(2 * work(&job))
    stage = job.C * job.kernel.lanes * job.itemsize
    stages = <char *> allocate(threads * stage)
    if stages == NULL:
        raise MemoryError("local_response_norm_backward: no memory for a vector of each channel")
    with nogil:
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(job.N * job.pieces, schedule="static"):
                some_gradient(&job, i, g.data, x.data, stages + threadid() * stage, gx.data)
            leave_team(mode)
        release(stages)
