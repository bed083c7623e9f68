"""Max and average pooling of volumes, forward, and the mean's gradient: plane by plane, then over the planes of each window.

Forward, a task is a block of rows of outputs, all planes of it or a range of them. Each plane of the input that a window needs is pooled
by itself into a slot, and what the slots hold is brought together; where windows share planes, slots keep them for the next.
Backward, a plane of the input is the gradient of one pooled plane: the sum of those whose windows reach it.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.pool_plane cimport (
    MAXIMUM, MEAN, Operation, Pool, SUM, get_number, gradient_lay, gradient_rows, gradient_windows, make_divisors, pool_lay, pool_release,
    pool_rows, pool_sizes, pool_start, put_number, release_divisors, window_count,
)
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef enum:
    SLOT_BYTES = 256 * 1024    # of all slots of a thread: a part of the second-level cache
    A_THREAD = 4               # tasks, at least, where depth can be cut

cdef struct Volume:
    Pool plane
    Py_ssize_t volumes, D, OD, KD, stride_d, pad_d, dil_d
    Py_ssize_t depth_blocks, block_depth
    Py_ssize_t slots, slot_outputs      # outputs a slot has room for
    Py_ssize_t values_bytes, places_bytes, table_bytes, a_thread
    bint average
    char *factors                       # (OD) what a mean divides by along the depth, or its inverse; NULL for a maximum


cdef int volume_start(Volume *job, const Array *image, const Array *pooled, geometry, Operation operation) except -1:
    """geometry: kernel, stride, padding and dilation of D, H, W, one after the other."""
    cdef Py_ssize_t KD, KH, KW, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w
    cdef int axis = image.ndim - 3
    KD, KH, KW, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w = geometry
    job.KD, job.stride_d, job.pad_d, job.dil_d, job.average = KD, stride_d, pad_d, dil_d, operation != MAXIMUM
    job.D, job.OD, job.factors = image.shape[axis], pooled.shape[axis], NULL
    job.volumes = image.size // (job.D * image.shape[axis + 1] * image.shape[axis + 2])
    pool_start(&job.plane, operation, image.itemsize, KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    pool_sizes(&job.plane, job.volumes * job.D, image.shape[axis + 1], image.shape[axis + 2], pooled.shape[axis + 1],
               pooled.shape[axis + 2])
    return 0


cdef int make_factors(Volume *job, bint inverse) noexcept nogil:
    """What means divide by along the depth; -1 when memory is out."""
    cdef Pool *plane = &job.plane
    cdef Py_ssize_t od
    cdef double count
    job.factors = <char *> allocate(job.OD * plane.itemsize)
    if job.factors == NULL:
        return -1
    for od in range(job.OD):
        count = 1
        if plane.divisor_override == 0:
            count = window_count(plane, od * job.stride_d - job.pad_d, job.KD, job.pad_d, job.D)
        put_number(plane, job.factors, od, 1 / count if inverse else count)
    return 0


cdef void cut_depth(Volume *job, Py_ssize_t planes, Py_ssize_t tasks, int threads) noexcept nogil:
    """Few tasks are cut along the depth; what they compute does not depend on it."""
    job.depth_blocks = 1 if tasks >= A_THREAD * threads else min(planes, (A_THREAD * threads + tasks - 1) // tasks)
    job.block_depth = (planes + job.depth_blocks - 1) // job.depth_blocks
    job.depth_blocks = (planes + job.block_depth - 1) // job.block_depth


# ---- forward


cdef int volume_lay(Volume *job, bint indexed) noexcept nogil:
    """Blocks, slots and workspace; -1 when memory is out."""
    cdef Pool *plane = &job.plane
    cdef Py_ssize_t an_output = plane.itemsize + (sizeof(int64_t) if indexed else 0)
    if pool_lay(plane) != 0 or (job.average and (make_divisors(plane, False) != 0 or make_factors(job, False) != 0)):
        return -1
    # Slot (d // dil_d) % KD: the planes of a window have one each.
    job.slots = job.KD if job.stride_d < job.dil_d * (job.KD - 1) + 1 else 1
    plane.block_rows = min(plane.block_rows, max(1, SLOT_BYTES // (job.slots * plane.OW * an_output)))
    if plane.block_rows == 1 and job.slots * plane.block_columns * an_output > SLOT_BYTES:
        job.slots = 1
    plane.row_blocks = (plane.OH + plane.block_rows - 1) // plane.block_rows
    # What has several blocks of columns has blocks of one row.
    job.slot_outputs = plane.block_rows * plane.OW if plane.column_blocks == 1 else plane.block_columns
    job.values_bytes = ceil_to(job.slot_outputs * plane.itemsize, 64)
    job.places_bytes = ceil_to(job.slot_outputs * sizeof(int64_t), 64) if indexed else 0
    job.table_bytes = ceil_to(job.slots * sizeof(Py_ssize_t), 64)
    job.a_thread = plane.a_thread + job.table_bytes + job.slots * (job.values_bytes + job.places_bytes)
    return 0


cdef void volume_block(const Volume *job, Py_ssize_t task, const char *input, char *output, int64_t *indices,
                       char *workspace) noexcept nogil:
    cdef const Pool *plane = &job.plane
    cdef Py_ssize_t blocks = plane.row_blocks * plane.column_blocks, block = task % blocks
    cdef Py_ssize_t depth_block = task // blocks % job.depth_blocks, volume = task // (blocks * job.depth_blocks)
    cdef Py_ssize_t row0 = block // plane.column_blocks * plane.block_rows, column0 = block % plane.column_blocks * plane.block_columns
    cdef Py_ssize_t rows = min(plane.block_rows, plane.OH - row0), columns = min(plane.block_columns, plane.OW - column0)
    cdef Py_ssize_t count = (rows - 1) * plane.OW + columns
    cdef Py_ssize_t pixels = plane.H * plane.W, od, kd, d, at, slot, i
    cdef Py_ssize_t *held = <Py_ssize_t *> (workspace + plane.a_thread)     # [slots] the plane that each holds
    cdef char *slots = workspace + plane.a_thread + job.table_bytes
    cdef char *values
    cdef int64_t *places
    cdef bint first
    for slot in range(job.slots):
        held[slot] = -1
    for od in range(depth_block * job.block_depth, min((depth_block + 1) * job.block_depth, job.OD)):
        at = ((volume * job.OD + od) * plane.OH + row0) * plane.OW + column0
        first = True
        for kd in range(job.KD):
            d = od * job.stride_d - job.pad_d + kd * job.dil_d
            if d < 0 or d >= job.D:
                continue
            slot = d // job.dil_d % job.KD if job.slots > 1 else 0
            values = slots + slot * (job.values_bytes + job.places_bytes)
            places = <int64_t *> (values + job.values_bytes) if indices != NULL else NULL
            if held[slot] != d:
                pool_rows(plane, input + (volume * job.D + d) * pixels * plane.itemsize, row0, rows, column0, columns, values, places,
                          workspace)
                held[slot] = d
            if job.average:
                plane.kernel.merge_sum(count, values, first, output + at * plane.itemsize)
            else:
                plane.kernel.merge_max(count, values, places, d * pixels, first, output + at * plane.itemsize,
                                       indices + at if indices != NULL else NULL)
            first = False
        if first:       # all planes of the window are padding
            for i in range(rows):
                plane.kernel.fill(columns, 0 if job.average else -INFINITY, output + (at + i * plane.OW) * plane.itemsize)
                if indices != NULL:
                    for kd in range(columns):
                        indices[at + i * plane.OW + kd] = 0
        elif job.average:
            for i in range(rows):
                plane.kernel.divide_row(columns, plane.divisors + column0 * plane.itemsize, get_number(plane, plane.factors, row0 + i),
                                        get_number(plane, job.factors, od), output + (at + i * plane.OW) * plane.itemsize)


cdef int volume_forward(Volume *job, const char *input, char *output, int64_t *indices) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Pool *plane = &job.plane
    cdef Py_ssize_t task, tasks
    cdef int threads = threads_for(<double> job.volumes * job.OD * plane.OH * plane.OW * job.KD * plane.KH * plane.KW), status = -1
    cdef unsigned int mode = 0
    cdef char *workspace
    if volume_lay(job, indices != NULL) == 0:
        tasks = job.volumes * plane.row_blocks * plane.column_blocks
        cut_depth(job, job.OD, tasks, threads)
        tasks *= job.depth_blocks
        threads = <int> min(threads, tasks)
        workspace = <char *> allocate(threads * job.a_thread)
        if workspace != NULL:
            status = 0
            if threads == 1:
                for task in range(tasks):
                    volume_block(job, task, input, output, indices, workspace)
            else:
                with parallel(num_threads=threads):
                    mode = enter_team()
                    for task in prange(tasks, schedule="static"):
                        volume_block(job, task, input, output, indices, workspace + threadid() * job.a_thread)
                    leave_team(mode)
            release(workspace)
    pool_release(plane)
    release(job.factors)
    return status


def max_pool3d_forward(input, output, indices, geometry):
    cdef Array x, y, i
    cdef Volume job
    cdef int64_t *places = NULL
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    volume_start(&job, &x, &y, geometry, MAXIMUM)
    if indices is not None:
        view(indices, &i, True)
        places = <int64_t *> i.data
    with nogil:
        mode = enter_team()
        status = volume_forward(&job, x.data, y.data, places)
        leave_team(mode)
    if status != 0:
        raise MemoryError("max_pool3d: no memory for the workspace")


def avg_pool3d_forward(input, output, geometry, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array x, y
    cdef Volume job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    volume_start(&job, &x, &y, geometry, SUM)
    job.plane.count_include_pad, job.plane.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        status = volume_forward(&job, x.data, y.data, NULL)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool3d: no memory for the workspace")


# ---- backward


cdef void spread_block(const Volume *job, Py_ssize_t task, const char *gradient, char *image, char *workspace) noexcept nogil:
    """A block of rows of a range of planes. Planes in the same windows are alike."""
    cdef const Pool *plane = &job.plane
    cdef Py_ssize_t block = task % plane.row_blocks, depth_block = task // plane.row_blocks % job.depth_blocks
    cdef Py_ssize_t volume = task // (plane.row_blocks * job.depth_blocks), h0 = block * plane.block_rows
    cdef Py_ssize_t h1 = min(h0 + plane.block_rows, plane.H), pixels = plane.H * plane.W, pooled = plane.OH * plane.OW
    cdef Py_ssize_t d, d0 = depth_block * job.block_depth, first, stop, low, high, first_before = -1, stop_before = -1
    cdef char *sums = workspace + plane.a_thread
    cdef char *to
    gradient_windows(plane, h0, h1, &low, &high)
    gradient = gradient + (volume * job.OD * pooled + low * plane.OW) * plane.itemsize
    for d in range(d0, min(d0 + job.block_depth, job.D)):
        first = max(ceil_div(d + job.pad_d - job.KD + 1, job.stride_d), 0)
        stop = max(min((d + job.pad_d) // job.stride_d + 1, job.OD), first)
        to = image + (volume * job.D + d) * pixels * plane.itemsize
        if first == first_before and stop == stop_before:
            memcpy(to + h0 * plane.W * plane.itemsize, to + (h0 * plane.W - pixels) * plane.itemsize, (h1 - h0) * plane.W * plane.itemsize)
            continue
        plane.kernel.sum_planes(stop - first, (high - low) * plane.OW, gradient + first * pooled * plane.itemsize, pooled,
                                job.factors + first * plane.itemsize, sums)
        # Row `low` of the windows is the first that lies in memory; rows before it are not read.
        gradient_rows(plane, sums - low * plane.OW * plane.itemsize, to, h0, h1, workspace)
        first_before, stop_before = first, stop


cdef int volume_backward(Volume *job, const char *gradient, char *image) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Pool *plane = &job.plane
    cdef Py_ssize_t task, tasks
    cdef int threads, status = -1
    cdef unsigned int mode = 0
    cdef char *workspace
    threads = threads_for(<double> job.volumes * (<double> job.D * plane.H * plane.W + <double> job.OD * plane.OH * plane.OW * job.KD))
    if gradient_lay(plane) == 0 and make_factors(job, True) == 0:
        tasks = job.volumes * plane.row_blocks
        cut_depth(job, job.D, tasks, threads)
        tasks *= job.depth_blocks
        threads = <int> min(threads, tasks)
        job.a_thread = plane.a_thread + ceil_to(plane.block_windows * plane.OW * plane.itemsize, 64)
        workspace = <char *> allocate(threads * job.a_thread)
        if workspace != NULL:
            status = 0
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
    release_divisors(plane)
    release(job.factors)
    return status


def avg_pool3d_backward(grad_output, grad_input, geometry, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array g, x
    cdef Volume job
    cdef int status
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_input, &x, True)
    volume_start(&job, &x, &g, geometry, MEAN)
    job.plane.count_include_pad, job.plane.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        status = volume_backward(&job, g.data, x.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool3d_backward: no memory for the workspace")
