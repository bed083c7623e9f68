"""Adaptive pooling in one, two and three dimensions, forward, and the mean's gradient. A signal is a volume of one row, an image one of
one plane. A task is a row of outputs (forward) or a block of planes of the input, or of one plane's rows (backward): each is written by
one thread."""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    ROOM_VECTORS = 4   # behind a row: what the kernels write in whole vectors

cdef struct Windows:       # along one axis, which they cover; neighbours may share an element or more
    Py_ssize_t size, count
    Py_ssize_t *first      # [count]
    Py_ssize_t *stop       # [count]

cdef struct Adaptive:
    const fc_kernels *kernel
    Py_ssize_t itemsize, volumes, D, H, W
    Windows depth, rows, columns
    Py_ssize_t *tables
    Py_ssize_t a_thread        # bytes of workspace
    Py_ssize_t depth_blocks, block_depth, row_blocks, block_rows


cdef inline Py_ssize_t window_first(Py_ssize_t i, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    return i * size // count


cdef inline Py_ssize_t window_stop(Py_ssize_t i, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    return ((i + 1) * size + count - 1) // count


cdef Py_ssize_t *lay_windows(Windows *windows, Py_ssize_t size, Py_ssize_t count, Py_ssize_t *table) noexcept nogil:
    """Fills in where each window begins and ends; the end of the table that they take."""
    cdef Py_ssize_t i
    windows.size, windows.count, windows.first, windows.stop = size, count, table, table + count
    for i in range(count):
        windows.first[i], windows.stop[i] = window_first(i, size, count), window_stop(i, size, count)
    return table + 2 * count


cdef int adaptive_start(Adaptive *job, const Array *volume, const Array *pooled, int dims) noexcept nogil:
    """-1 when memory is out. Arrays of zero elements do not come here."""
    cdef Py_ssize_t axis = volume.ndim - dims, OD = 1, OH = 1, OW
    job.kernel, job.itemsize = kernels(volume.itemsize), volume.itemsize
    job.D = job.H = 1
    if dims == 3:
        job.D, OD = volume.shape[axis], pooled.shape[axis]
    if dims >= 2:
        job.H, OH = volume.shape[volume.ndim - 2], pooled.shape[volume.ndim - 2]
    job.W, OW = volume.shape[volume.ndim - 1], pooled.shape[volume.ndim - 1]
    job.volumes = volume.size // (job.D * job.H * job.W)
    job.a_thread = (2 * (job.W + ROOM_VECTORS * job.kernel.lanes) * job.itemsize + 63) // 64 * 64
    job.tables = <Py_ssize_t *> allocate(2 * (OD + OH + OW) * sizeof(Py_ssize_t))
    if job.tables == NULL:
        return -1
    lay_windows(&job.columns, job.W, OW, lay_windows(&job.rows, job.H, OH, lay_windows(&job.depth, job.D, OD, job.tables)))
    return 0


cdef void pool_row(const Adaptive *job, Py_ssize_t task, const char *input, char *output, int64_t *indices, bint average,
                   char *room) noexcept nogil:
    cdef Py_ssize_t i = task % job.rows.count, od = task // job.rows.count % job.depth.count
    cdef Py_ssize_t volume = task // (job.rows.count * job.depth.count), plane = job.H * job.W
    cdef Py_ssize_t origin = job.depth.first[od] * plane + job.rows.first[i] * job.W
    cdef Py_ssize_t depth = job.depth.stop[od] - job.depth.first[od], rows = job.rows.stop[i] - job.rows.first[i]
    cdef const char *source = input + (volume * job.D * plane + origin) * job.itemsize
    output = output + task * job.columns.count * job.itemsize
    if average:
        job.kernel.adaptive_mean(depth, plane, rows, job.W, source, job.columns.count, job.columns.first, job.columns.stop, room, output)
    else:
        job.kernel.adaptive_max(depth, plane, rows, job.W, source, origin, job.columns.count, job.columns.first, job.columns.stop, room,
                                output, indices + task * job.columns.count if indices != NULL else NULL)


cdef int adaptive_forward(Adaptive *job, const char *input, char *output, int64_t *indices, bint average) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t task, tasks = job.volumes * job.depth.count * job.rows.count
    cdef double work = <double> job.volumes * job.D * job.H * job.W
    cdef unsigned int mode = 0
    cdef int threads = <int> min(threads_for(work + <double> tasks * job.columns.count), tasks)
    cdef char *workspace = <char *> allocate(threads * job.a_thread)
    if workspace == NULL:
        return -1
    if threads == 1:
        for task in range(tasks):
            pool_row(job, task, input, output, indices, average, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                pool_row(job, task, input, output, indices, average, workspace + threadid() * job.a_thread)
            leave_team(mode)
    release(workspace)
    return 0


cdef void spread_rows(const Adaptive *job, Py_ssize_t volume, Py_ssize_t d, Py_ssize_t h0, Py_ssize_t h1, const char *gradient,
                      char *image, char *share) noexcept nogil:
    """Rows of one plane, the first of them at `image`: the shares of the rows of windows that reach each, then of the columns. Rows in
    the same windows are alike."""
    cdef Py_ssize_t OH = job.rows.count, OW = job.columns.count
    cdef Py_ssize_t h, i, od, first, stop, first_before = -1, stop_before = -1, height
    cdef bint more
    cdef char *row
    for h in range(h0, h1):
        # The windows that reach an element lie as the elements of a window do, with the two sizes exchanged.
        first, stop = window_first(h, OH, job.H), window_stop(h, OH, job.H)
        row = image + (h - h0) * job.W * job.itemsize
        if first == first_before and stop == stop_before:
            memcpy(row, row - job.W * job.itemsize, job.W * job.itemsize)
            continue
        more = False
        for od in range(window_first(d, job.depth.count, job.D), window_stop(d, job.depth.count, job.D)):
            for i in range(first, stop):
                height = (job.depth.stop[od] - job.depth.first[od]) * (job.rows.stop[i] - job.rows.first[i])
                job.kernel.adaptive_share(height, OW, job.columns.first, job.columns.stop,
                                          gradient + ((volume * job.depth.count + od) * OH + i) * OW * job.itemsize, more, share)
                more = True
        job.kernel.adaptive_spread(OW, job.columns.first, job.columns.stop, share, row)
        first_before, stop_before = first, stop


cdef void spread_block(const Adaptive *job, Py_ssize_t task, const char *gradient, char *image, char *share) noexcept nogil:
    """A block of rows of a block of planes. Planes in the same windows are alike."""
    cdef Py_ssize_t h0 = task % job.row_blocks * job.block_rows, h1 = min(h0 + job.block_rows, job.H)
    cdef Py_ssize_t d0 = task // job.row_blocks % job.depth_blocks * job.block_depth, d1 = min(d0 + job.block_depth, job.D)
    cdef Py_ssize_t volume = task // (job.row_blocks * job.depth_blocks), plane = job.H * job.W * job.itemsize
    cdef Py_ssize_t d, first, stop, first_before = -1, stop_before = -1
    cdef char *rows
    for d in range(d0, d1):
        first, stop = window_first(d, job.depth.count, job.D), window_stop(d, job.depth.count, job.D)
        rows = image + (volume * job.D + d) * plane + h0 * job.W * job.itemsize
        if first == first_before and stop == stop_before:
            memcpy(rows, rows - plane, (h1 - h0) * job.W * job.itemsize)
        else:
            spread_rows(job, volume, d, h0, h1, gradient, rows, share)
        first_before, stop_before = first, stop


cdef int adaptive_backward(Adaptive *job, const char *gradient, char *image) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t task, tasks
    cdef double elements = <double> job.D * job.H * job.W + <double> job.depth.count * job.rows.count * job.columns.count
    cdef unsigned int mode = 0
    cdef int threads = threads_for(job.volumes * elements)
    cdef Py_ssize_t wanted = 4 * threads
    cdef char *workspace
    # Few volumes are cut into planes, and few planes into rows, so that there is something for each thread; what a row holds does not
    # depend on it.
    job.depth_blocks = min(job.D, (wanted + job.volumes - 1) // job.volumes)
    job.block_depth = (job.D + job.depth_blocks - 1) // job.depth_blocks
    job.depth_blocks = (job.D + job.block_depth - 1) // job.block_depth
    job.row_blocks = 1 if job.volumes * job.D >= wanted else min(job.H, wanted)
    job.block_rows = (job.H + job.row_blocks - 1) // job.row_blocks
    job.row_blocks = (job.H + job.block_rows - 1) // job.block_rows
    tasks = job.volumes * job.depth_blocks * job.row_blocks
    job.a_thread = (job.columns.count * job.itemsize + 63) // 64 * 64
    threads = <int> min(threads, tasks)
    workspace = <char *> allocate(threads * job.a_thread)
    if workspace == NULL:
        return -1
    if threads == 1:
        for task in range(tasks):
            spread_block(job, task, gradient, image, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                spread_block(job, task, gradient, image, workspace + threadid() * job.a_thread)
            leave_team(mode)
    release(workspace)
    return 0


def adaptive_max_forward(input, output, indices, int dims):
    cdef Array x, y, i
    cdef Adaptive job
    cdef int status
    cdef unsigned int mode = 0
    cdef int64_t *places = NULL
    view(input, &x)
    view(output, &y, True)
    if indices is not None:
        view(indices, &i, True)
        places = <int64_t *> i.data
    with nogil:
        mode = enter_team()
        status = adaptive_start(&job, &x, &y, dims)
        if status == 0:
            status = adaptive_forward(&job, x.data, y.data, places, False)
        release(job.tables)
        leave_team(mode)
    if status != 0:
        raise MemoryError("adaptive_max_pool: no memory for the workspace")


def adaptive_avg_forward(input, output, int dims):
    cdef Array x, y
    cdef Adaptive job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    with nogil:
        mode = enter_team()
        status = adaptive_start(&job, &x, &y, dims)
        if status == 0:
            status = adaptive_forward(&job, x.data, y.data, NULL, True)
        release(job.tables)
        leave_team(mode)
    if status != 0:
        raise MemoryError("adaptive_avg_pool: no memory for the workspace")


def adaptive_avg_backward(grad_output, grad_input, int dims):
    cdef Array g, x
    cdef Adaptive job
    cdef int status
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_input, &x, True)
    with nogil:
        mode = enter_team()
        status = adaptive_start(&job, &x, &g, dims)
        if status == 0:
            status = adaptive_backward(&job, g.data, x.data)
        release(job.tables)
        leave_team(mode)
    if status != 0:
        raise MemoryError("adaptive_avg_pool_backward: no memory for the workspace")
