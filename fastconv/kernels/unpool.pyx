"""Values to where indices point, and back: max_unpool, its gradient, and the gradient of any maximum. Indices are flat in a plane of
any dimension. A task is a plane, so that no two threads write to one; an index outside of it is never followed."""
from cython.parallel cimport parallel, prange
from libc.stdint cimport int64_t

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, fc_kernels, kernels, leave_team, threads_for

cdef enum Way:
    PUT      # from the pooled values into a plane of zeros
    ADD      # the same, where several may meet
    TAKE     # from the plane into the pooled values

cdef struct Places:
    const fc_kernels *kernel
    Py_ssize_t itemsize, planes, pooled, pixels
    char *values           # (planes, pooled)
    const int64_t *indices
    char *image            # (planes, pixels)


cdef bint follow_plane(const Places *job, Py_ssize_t plane, Way way) noexcept nogil:
    """False where an index lies outside of the plane."""
    cdef char *values = job.values + plane * job.pooled * job.itemsize
    cdef const int64_t *indices = job.indices + plane * job.pooled
    cdef char *image = job.image + plane * job.pixels * job.itemsize
    if way == TAKE:
        return job.kernel.gather(job.pooled, image, indices, job.pixels, values)
    job.kernel.fill(job.pixels, 0, image)
    if way == PUT:
        return job.kernel.scatter(job.pooled, values, indices, job.pixels, image)
    return job.kernel.scatter_add(job.pooled, values, indices, job.pixels, image)


cdef bint follow(values, indices, image, Py_ssize_t planes, Way way) except -1:
    """False where an index lies outside of its plane; the result is then unfinished."""
    cdef Array v, i, x
    cdef Places job
    cdef Py_ssize_t plane
    cdef int threads, wrong = 0
    cdef unsigned int mode = 0
    view(values, &v, way == TAKE)
    view(indices, &i)
    view(image, &x, way != TAKE)
    job.kernel, job.itemsize, job.planes = kernels(v.itemsize), v.itemsize, planes
    job.pooled, job.pixels = v.size // planes, x.size // planes
    job.values, job.indices, job.image = v.data, <const int64_t *> i.data, x.data
    with nogil:
        threads = threads_for(<double> v.size + (0 if way == TAKE else x.size))
        if threads == 1:
            mode = enter_team()
            for plane in range(planes):
                wrong |= not follow_plane(&job, plane, way)
            leave_team(mode)
        else:
            with parallel(num_threads=threads):
                mode = enter_team()
                for plane in prange(planes, schedule="static"):
                    wrong |= not follow_plane(&job, plane, way)
                leave_team(mode)
    return wrong == 0


def max_unpool_forward(input, indices, output, Py_ssize_t planes):
    """False where an index lies outside of the plane; the output is then unfinished."""
    return bool(follow(input, indices, output, planes, PUT))


def max_unpool_backward(grad_output, indices, grad_input, Py_ssize_t planes):
    """False where an index lies outside of the plane; the gradient is then unfinished."""
    return bool(follow(grad_input, indices, grad_output, planes, TAKE))


def max_backward(grad_output, indices, grad_input, Py_ssize_t planes):
    """The gradient of a maximum over windows of any kind, likewise."""
    return bool(follow(grad_output, indices, grad_input, planes, ADD))
