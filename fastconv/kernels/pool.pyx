"""Max and average pooling of signals and images. A signal is an image of one row. A task is a block of outputs of one plane."""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.pool_plane cimport (
    MAXIMUM, MEAN, Pool, image_sizes, join_planes, pool_lay, pool_release, pool_rows, pool_sizes, pool_start,
)
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for


cdef inline void pool_block(const Pool *job, Py_ssize_t task, const char *input, char *output, int64_t *indices,
                            char *workspace) noexcept nogil:
    cdef Py_ssize_t blocks = job.row_blocks * job.column_blocks, plane = task // blocks, block = task % blocks
    cdef Py_ssize_t row0 = block // job.column_blocks * job.block_rows, column0 = block % job.column_blocks * job.block_columns
    cdef Py_ssize_t at = (plane * job.OH + row0) * job.OW + column0
    pool_rows(job, input + plane * job.H * job.W * job.itemsize, row0, min(job.block_rows, job.OH - row0), column0,
              min(job.block_columns, job.OW - column0), output + at * job.itemsize, indices + at if indices != NULL else NULL, workspace)


cdef int pool_forward(Pool *job, const char *input, char *output, int64_t *indices) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t tasks, task
    cdef char *workspace = NULL
    cdef int threads, status = -1
    cdef unsigned int mode = 0
    if job.planes * job.OH * job.OW == 0:
        return 0
    threads = threads_for(<double> job.planes * job.OH * job.OW * job.KH * job.KW)
    if threads == 1 and indices == NULL:             # several threads share out planes
        join_planes(job)
    if pool_lay(job) == 0:
        tasks = job.planes * job.row_blocks * job.column_blocks
        threads = <int> min(threads, tasks)
        if job.a_thread > 0:
            workspace = <char *> allocate(threads * job.a_thread)
        if job.a_thread == 0 or workspace != NULL:
            status = 0
            if threads == 1:
                for task in range(tasks):
                    pool_block(job, task, input, output, indices, workspace)
            else:
                with parallel(num_threads=threads):
                    mode = enter_team()
                    for task in prange(tasks, schedule="static"):
                        pool_block(job, task, input, output, indices, workspace + threadid() * job.a_thread)
                    leave_team(mode)
            release(workspace)
    pool_release(job)
    return status


cdef void signal_sizes(Pool *job, const Array *signal, const Array *pooled) noexcept nogil:
    """Planes of one row; or where windows lie side by side and fill every signal, all signals as one."""
    cdef Py_ssize_t W = signal.shape[signal.ndim - 1], OW = pooled.shape[pooled.ndim - 1], planes = signal.size // W
    if job.stride_w == job.KW and job.dil_w == 1 and job.pad_w == 0 and OW * job.KW == W:
        pool_sizes(job, 1, 1, signal.size, 1, pooled.size)
    else:
        pool_sizes(job, planes, 1, W, 1, OW)


def max_pool1d_forward(input, output, indices, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pad, Py_ssize_t dil):
    cdef Array x, y, i
    cdef Pool job
    cdef int64_t *places = NULL
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, MAXIMUM, x.itemsize, 1, kernel, stride, stride, 0, pad, 1, dil)
    if indices is None:
        signal_sizes(&job, &x, &y)
    else:
        view(indices, &i, True)
        places = <int64_t *> i.data
        pool_sizes(&job, x.size // x.shape[x.ndim - 1], 1, x.shape[x.ndim - 1], 1, y.shape[y.ndim - 1])
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, x.data, y.data, places)
        leave_team(mode)
    if status != 0:
        raise MemoryError("max_pool1d: no memory for the workspace")


def max_pool2d_forward(input, output, indices, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w,
                       Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w):
    cdef Array x, y, i
    cdef Pool job
    cdef int64_t *places = NULL
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, MAXIMUM, x.itemsize, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    image_sizes(&job, &x, &y)
    if indices is not None:
        view(indices, &i, True)
        places = <int64_t *> i.data
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, x.data, y.data, places)
        leave_team(mode)
    if status != 0:
        raise MemoryError("max_pool2d: no memory for the workspace")


def avg_pool1d_forward(input, output, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pad, bint count_include_pad):
    cdef Array x, y
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, MEAN, x.itemsize, 1, kernel, stride, stride, 0, pad, 1, 1)
    signal_sizes(&job, &x, &y)
    job.count_include_pad = count_include_pad
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, x.data, y.data, NULL)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool1d: no memory for the workspace")


def avg_pool2d_forward(input, output, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h,
                       Py_ssize_t pad_w, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array x, y
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, MEAN, x.itemsize, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, 1, 1)
    image_sizes(&job, &x, &y)
    job.count_include_pad, job.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, x.data, y.data, NULL)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool2d: no memory for the workspace")
