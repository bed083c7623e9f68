"""The gradients of max and average pooling of signals and images. A task is a plane (maximum: no two threads write to one) or a block of
rows of the image (mean: each pixel adds up the windows that reach it). Of a volume's maxima: `unpool.pyx`."""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.pool_plane cimport (
    MAXIMUM, MEAN, Pool, gradient_lay, gradient_rows, image_sizes, pool_sizes, pool_start, release_divisors,
)
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for


cdef bint max_plane(const Pool *job, bint apart, Py_ssize_t plane, const char *gradient, const int64_t *indices,
                    char *image) noexcept nogil:
    """The gradient of one plane; False where an index lies outside of it. apart: windows of 2 x 2 (or 2, of a signal) side by side."""
    cdef Py_ssize_t pooled = job.OH * job.OW, pixels = job.H * job.W
    gradient, indices, image = gradient + plane * pooled * job.itemsize, indices + plane * pooled, image + plane * pixels * job.itemsize
    if apart and job.kernel.max_gradient(job.OH, job.OW, gradient, indices, job.H, job.W, image):
        return True
    # Other windows, or an index outside of its own window, which is the caller's choice: wherever it points.
    job.kernel.fill(pixels, 0, image)
    return job.kernel.scatter_add(pooled, gradient, indices, pixels, image)


cdef bint max_backward(const Pool *job, const char *gradient, const int64_t *indices, char *image) noexcept nogil:
    """Run the job; False where an index lies outside of its plane."""
    cdef Py_ssize_t plane
    cdef int threads = threads_for(<double> job.planes * job.H * job.W), wrong = 0
    cdef unsigned int mode = 0
    cdef bint pairs = job.direct and job.KW == 2 and job.stride_w == 2 and job.pad_w == 0 and 2 * job.OW <= job.W
    cdef bint apart = pairs and (job.H == 1 if job.KH == 1 else job.square and job.pad_h == 0 and 2 * job.OH <= job.H)
    if threads == 1:
        for plane in range(job.planes):
            wrong |= not max_plane(job, apart, plane, gradient, indices, image)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for plane in prange(job.planes, schedule="static"):
                wrong |= not max_plane(job, apart, plane, gradient, indices, image)
            leave_team(mode)
    return wrong == 0


def max_pool1d_backward(grad_output, indices, grad_input, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pad, Py_ssize_t dil):
    """False where an index lies outside of the signal; the gradient is then unfinished."""
    cdef Array g, i, x
    cdef Pool job
    cdef bint inside
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(indices, &i)
    view(grad_input, &x, True)
    pool_start(&job, MAXIMUM, x.itemsize, 1, kernel, stride, stride, 0, pad, 1, dil)
    pool_sizes(&job, x.size // x.shape[x.ndim - 1], 1, x.shape[x.ndim - 1], 1, g.shape[g.ndim - 1])
    with nogil:
        mode = enter_team()
        inside = max_backward(&job, g.data, <int64_t *> i.data, x.data)
        leave_team(mode)
    return bool(inside)


def max_pool2d_backward(grad_output, indices, grad_input, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h,
                        Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w):
    """False where an index lies outside of the plane; the gradient is then unfinished."""
    cdef Array g, i, x
    cdef Pool job
    cdef bint inside
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(indices, &i)
    view(grad_input, &x, True)
    pool_start(&job, MAXIMUM, x.itemsize, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    image_sizes(&job, &x, &g)
    with nogil:
        mode = enter_team()
        inside = max_backward(&job, g.data, <int64_t *> i.data, x.data)
        leave_team(mode)
    return bool(inside)


cdef inline void average_block(const Pool *job, Py_ssize_t task, const char *gradient, char *image, char *workspace) noexcept nogil:
    cdef Py_ssize_t plane = task // job.row_blocks, h0 = task % job.row_blocks * job.block_rows
    gradient_rows(job, gradient + plane * job.OH * job.OW * job.itemsize, image + plane * job.H * job.W * job.itemsize, h0,
                  min(h0 + job.block_rows, job.H), workspace)


cdef int average_backward(Pool *job, const char *gradient, char *image) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t task
    cdef char *workspace = NULL
    cdef int threads = threads_for(<double> job.planes * job.OH * job.OW * job.KH * job.KW), status = -1
    cdef unsigned int mode = 0
    if gradient_lay(job) == 0:
        if job.a_thread > 0:
            workspace = <char *> allocate(threads * job.a_thread)
        if job.a_thread == 0 or workspace != NULL:
            status = 0
            if threads == 1:
                for task in range(job.planes * job.row_blocks):
                    average_block(job, task, gradient, image, workspace)
            else:
                with parallel(num_threads=threads):
                    mode = enter_team()
                    for task in prange(job.planes * job.row_blocks, schedule="static"):
                        average_block(job, task, gradient, image, workspace + threadid() * job.a_thread)
                    leave_team(mode)
            release(workspace)
    release_divisors(job)
    return status


def avg_pool1d_backward(grad_output, grad_input, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pad, bint count_include_pad):
    cdef Array g, x
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_input, &x, True)
    pool_start(&job, MEAN, x.itemsize, 1, kernel, stride, stride, 0, pad, 1, 1)
    pool_sizes(&job, x.size // x.shape[x.ndim - 1], 1, x.shape[x.ndim - 1], 1, g.shape[g.ndim - 1])
    job.count_include_pad = count_include_pad
    with nogil:
        mode = enter_team()
        status = average_backward(&job, g.data, x.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool1d_backward: no memory for the workspace")


def avg_pool2d_backward(grad_output, grad_input, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w,
                        Py_ssize_t pad_h, Py_ssize_t pad_w, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array g, x
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_input, &x, True)
    pool_start(&job, MEAN, x.itemsize, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, 1, 1)
    image_sizes(&job, &x, &g)
    job.count_include_pad, job.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        status = average_backward(&job, g.data, x.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool2d_backward: no memory for the workspace")
