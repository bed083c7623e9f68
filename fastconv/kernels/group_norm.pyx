"""Group normalisation of (N, C, L), where each channel has one weight and one bias, and its gradient."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.batch cimport lost, number, optional, put, rounded
from fastconv.kernels.runtime cimport (
    allocate, enter_team, fc_inverse, fc_kernels, fc_moments, kernels, leave_team, release, threads_for
)

cdef enum:
    WORK = 4                     # about so many multiply-adds is an element worth

cdef struct Group:
    const fc_kernels *kernel
    Py_ssize_t itemsize, N, C, L
    Py_ssize_t groups, channels  # of a group
    const char *weight           # [C] or NULL
    const char *bias
    double *mean                 # [N * groups]
    double *inverse


cdef void group_start(Group *job, const Array *x, Py_ssize_t groups, const Array *mean, const Array *inverse) noexcept nogil:
    job.kernel, job.itemsize = kernels(x.itemsize), x.itemsize
    job.N, job.C, job.L, job.groups, job.channels = x.shape[0], x.shape[1], x.shape[2], groups, x.shape[1] // groups
    job.weight = job.bias = NULL
    job.mean, job.inverse = <double *> mean.data, <double *> inverse.data


cdef void one_group(const Group *job, Py_ssize_t row, const char *x, char *y, double eps) noexcept nogil:
    cdef Py_ssize_t length = job.channels * job.L, i, c
    cdef const char *from_x = x + row * length * job.itemsize
    cdef fc_moments moments
    cdef double terms[3]
    cdef double off
    job.kernel.moments(1, length, from_x, length, &moments)
    job.mean[row] = moments.mean
    job.inverse[row] = fc_inverse(moments.squares / moments.count, eps)
    terms[0] = rounded(moments.mean, job.itemsize)
    off = lost(moments.mean, terms[0])
    for i in range(job.channels):
        c = row % job.groups * job.channels + i
        terms[1] = job.inverse[row] * number(job.weight, c, job.itemsize, 1)
        terms[2] = number(job.bias, c, job.itemsize, 0) - off * terms[1]
        job.kernel.affine_rows(1, job.L, from_x + i * job.L * job.itemsize, 0, terms, 0,
                               y + (row * length + i * job.L) * job.itemsize)


def group_norm_forward(input, weight, bias, Py_ssize_t groups, double eps, output, mean, inverse):
    cdef unsigned int mode = 0
    cdef Array x, w, b, y, m, s
    cdef Group job
    cdef Py_ssize_t i
    view(input, &x)
    view(output, &y, True)
    view(mean, &m, True)
    view(inverse, &s, True)
    optional(weight, &w)
    optional(bias, &b)
    group_start(&job, &x, groups, &m, &s)
    job.weight, job.bias = w.data, b.data
    with nogil:
        with parallel(num_threads=threads_for(<double> x.size * WORK)):
            mode = enter_team()
            for i in prange(job.N * job.groups, schedule="static"):
                one_group(&job, i, x.data, y.data, eps)
            leave_team(mode)


cdef void group_gradient(const Group *job, Py_ssize_t row, const char *g, const char *x, char *gx, double *sums) noexcept nogil:
    """sums: [N * C][2], of each channel's grad_output and of grad_output * (input - mean)."""
    cdef Py_ssize_t length = job.channels * job.L, first = row * job.channels, at, i
    cdef double count = <double> length, held = rounded(job.mean[row], job.itemsize), off = lost(job.mean[row], held)
    cdef double plain = 0, moved = 0, inverse = job.inverse[row], weight
    cdef double terms[4]
    for i in range(job.channels):
        at = (first + i) * job.L * job.itemsize
        sums[2 * (first + i)] = sums[2 * (first + i) + 1] = 0
        job.kernel.gradient_sums(1, job.L, g + at, x + at, 0, held, sums + 2 * (first + i))
        sums[2 * (first + i) + 1] -= off * sums[2 * (first + i)]
        weight = number(job.weight, first % job.C + i, job.itemsize, 1)
        plain += weight * sums[2 * (first + i)]
        moved += weight * sums[2 * (first + i) + 1]
    if gx == NULL:
        return
    terms[0] = held
    terms[2] = -inverse * inverse * inverse * moved / count
    terms[3] = -inverse * plain / count - off * terms[2]
    for i in range(job.channels):
        at = (first + i) * job.L * job.itemsize
        terms[1] = inverse * number(job.weight, first % job.C + i, job.itemsize, 1)
        job.kernel.affine_gradient_rows(1, job.L, g + at, x + at, 0, terms, 0, gx + at)


cdef void parameter_gradient(const Group *job, Py_ssize_t c, const double *sums, char *gw, char *gb) noexcept nogil:
    """One channel's, over the images in their order."""
    cdef double plain = 0, moved = 0
    cdef Py_ssize_t n
    for n in range(job.N):
        plain += sums[2 * (n * job.C + c)]
        moved += sums[2 * (n * job.C + c) + 1] * job.inverse[n * job.groups + c // job.channels]
    if gw != NULL:
        put(gw, c, job.itemsize, moved)
    if gb != NULL:
        put(gb, c, job.itemsize, plain)


def group_norm_backward(grad_output, input, weight, Py_ssize_t groups, mean, inverse, grad_input, grad_weight, grad_bias):
    """The gradients that are not None, from the statistics of the forward."""
    cdef unsigned int mode = 0
    cdef Array g, x, w, m, s, gx, gw, gb
    cdef Group job
    cdef Py_ssize_t i
    cdef double *sums
    view(grad_output, &g)
    view(input, &x)
    view(mean, &m)
    view(inverse, &s)
    optional(weight, &w)
    optional(grad_input, &gx, True)
    optional(grad_weight, &gw, True)
    optional(grad_bias, &gb, True)
    group_start(&job, &x, groups, &m, &s)
    job.weight = w.data
    sums = <double *> allocate(2 * job.N * job.C * sizeof(double))
    if sums == NULL:
        raise MemoryError("group_norm_backward: no memory for the sums")
    with nogil:
        with parallel(num_threads=threads_for(<double> x.size * WORK)):
            mode = enter_team()
            for i in prange(job.N * job.groups, schedule="static"):
                group_gradient(&job, i, g.data, x.data, gx.data, sums)
            leave_team(mode)
        if gw.data != NULL or gb.data != NULL:
            mode = enter_team()
            for i in range(job.C):
                parameter_gradient(&job, i, sums, gw.data, gb.data)
            leave_team(mode)
        release(sums)
