"""Max and average pooling, forward and backward. A task is a block of output rows of one plane (forward) or a plane (backward)."""
from cython.parallel cimport parallel, prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport (
    Axis, axis_layout, axis_measure, axis_release, axis_start, ceil_div, slab_channel, slab_pack, slab_plane, tap_offset,
)

cdef enum:
    SLAB_BYTES = 64 * 1024       # a part of the second-level cache; a slab has at least one output row
    MOST_PIXELS = 2147483647     # of a plane whose places fit the lanes of a vector of floats
    FEW_BYTES = 1024

cdef struct Pool:
    const fc_kernels *kernel
    Py_ssize_t itemsize, planes, H, W, OH, OW, KH, KW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    bint count_include_pad
    Py_ssize_t divisor_override  # 0: the size of the window
    Axis rows, columns
    Py_ssize_t block_rows, row_blocks, block_windows
    const char *input
    char *output
    int64_t *indices           # or NULL
    char *divisors               # (OW) elements that a window has along its row, for averages; or NULL for a maximum
    char *factors                # (OH) the rows that it has, or the divisor that overrides both
    char few_divisors[FEW_BYTES]  # room for both where they are few
    bint direct                  # on the image as it lies; otherwise by a slab
    bint square                  # direct with one size and one stride for both axes
    bint apart                   # windows of 2 x 2 side by side


cdef int pool_start(Pool *job, const Array *image, const Array *pooled, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h,
                    Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w) noexcept nogil:
    job.kernel, job.itemsize, job.planes = kernels(image.itemsize), image.itemsize, image.shape[0] * image.shape[1]
    job.H, job.W, job.OH, job.OW, job.KH, job.KW = image.shape[2], image.shape[3], pooled.shape[2], pooled.shape[3], kernel_h, kernel_w
    job.stride_h, job.stride_w, job.pad_h, job.pad_w, job.dil_h, job.dil_w = stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    job.indices, job.divisors, job.factors = NULL, NULL, NULL
    job.count_include_pad, job.divisor_override = False, 0
    job.direct = (2 <= kernel_w <= 3 and dil_h == 1 and dil_w == 1 and stride_h == stride_w and stride_w <= 2
                  and job.H * job.W < MOST_PIXELS)
    job.square = job.direct and kernel_h == kernel_w
    return 0


cdef int pool_slab(Pool *job) noexcept nogil:
    """The slab's layout: as many output rows as fit into SLAB_BYTES."""
    cdef Py_ssize_t t, lanes = job.kernel.lanes
    job.rows.offset = job.columns.offset = NULL
    if axis_start(&job.rows, job.H, job.stride_h, job.KH) != 0 or axis_start(&job.columns, job.W, job.stride_w, job.KW) != 0:
        return -1
    for t in range(job.KH):
        job.rows.offset[t] = t * job.dil_h - job.pad_h
    for t in range(job.KW):
        job.columns.offset[t] = t * job.dil_w - job.pad_w
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    axis_layout(&job.columns, job.OW, False)
    job.block_rows = job.OH
    axis_layout(&job.rows, job.block_rows, False)
    while job.block_rows > 1 and slab_channel(&job.rows, &job.columns, lanes) * job.itemsize > SLAB_BYTES:
        job.block_rows = (job.block_rows + 1) // 2
        axis_layout(&job.rows, job.block_rows, False)
    job.row_blocks = (job.OH + job.block_rows - 1) // job.block_rows
    return 0


cdef Py_ssize_t window_count(const Pool *job, Py_ssize_t place, Py_ssize_t kernel, Py_ssize_t pad, Py_ssize_t size) noexcept nogil:
    """The elements that count along one axis of the window that starts at `place` (PyTorch's rule: clipped to the padded size)."""
    cdef Py_ssize_t stop = min(place + kernel, size + pad)
    if not job.count_include_pad:
        place, stop = max(place, 0), min(stop, size)
    return max(stop - place, 1)


cdef inline void put_number(const Pool *job, char *table, Py_ssize_t i, double value) noexcept nogil:
    if job.itemsize == 8:
        (<double *> table)[i] = value
    else:
        (<float *> table)[i] = <float> value


cdef int make_divisors(Pool *job, bint inverse) noexcept nogil:
    """The divisors of all windows, a column's times a row's, or the `inverse` of each to multiply by; -1 when memory is out."""
    cdef Py_ssize_t i, columns = job.OW + job.kernel.lanes
    cdef Py_ssize_t room = (columns + job.OH) * job.itemsize
    cdef double count, common = 1
    job.divisors = &job.few_divisors[0] if room <= FEW_BYTES else <char *> allocate(room)
    if job.divisors == NULL:
        return -1
    job.factors = job.divisors + columns * job.itemsize
    for i in range(columns):
        put_number(job, job.divisors, i, 1)
    if job.divisor_override == 0:
        # Where no window hangs over the right edge or its padding is counted, all divide alike, and the rows' table holds it: exact.
        if (job.pad_w == 0 or job.count_include_pad) and (job.OW - 1) * job.stride_w + job.KW <= job.W + 2 * job.pad_w:
            common = job.KW
        else:
            for i in range(job.OW):
                count = window_count(job, i * job.stride_w - job.pad_w, job.KW, job.pad_w, job.W)
                put_number(job, job.divisors, i, 1 / count if inverse else count)
    for i in range(job.OH):
        count = <double> job.divisor_override
        if job.divisor_override == 0:
            count = common * window_count(job, i * job.stride_h - job.pad_h, job.KH, job.pad_h, job.H)
        put_number(job, job.factors, i, 1 / count if inverse else count)
    return 0


cdef void release_divisors(Pool *job) noexcept nogil:
    if job.divisors != &job.few_divisors[0]:
        release(job.divisors)


cdef double row_factor(const Pool *job, Py_ssize_t i) noexcept nogil:
    return (<double *> job.factors)[i] if job.itemsize == 8 else (<float *> job.factors)[i]


cdef void direct_block(const Pool *job, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t plane = task // job.row_blocks, row0 = task % job.row_blocks * job.block_rows
    cdef Py_ssize_t output = (plane * job.OH + row0) * job.OW
    job.kernel.pool_rows(
        job.KH, <int> job.KW, <int> job.stride_w, min(job.block_rows, job.OH - row0), job.OW,
        job.input + plane * job.H * job.W * job.itemsize, job.H, job.W, row0 * job.stride_h - job.pad_h, -job.pad_w,
        job.divisors, job.factors + row0 * job.itemsize if job.factors != NULL else NULL, job.output + output * job.itemsize,
        job.indices + output if job.indices != NULL else NULL)


cdef void pool_block(const Pool *job, Py_ssize_t task, char *slab, Py_ssize_t *offsets, Py_ssize_t *positions) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize
    cdef Py_ssize_t plane = task // job.row_blocks, row0 = task % job.row_blocks * job.block_rows
    cdef Py_ssize_t rows = min(job.block_rows, job.OH - row0)
    cdef Py_ssize_t slot_plane = slab_plane(&job.rows, &job.columns, kernel.lanes)
    cdef Py_ssize_t i, t, h0, first, stop
    cdef const char *base
    cdef char *output
    slab_pack(kernel, itemsize, &job.rows, &job.columns, job.input + plane * job.H * job.W * itemsize, 1, 0, row0, rows, 0, job.OW,
              0 if job.divisors != NULL else -INFINITY, slab)
    for t in range(job.KH * job.KW):
        offsets[t] = tap_offset(&job.rows, &job.columns, slot_plane, t // job.KW, t % job.KW)
    for i in range(rows):
        base = slab + i * job.columns.pitch * itemsize
        output = job.output + (plane * job.OH + row0 + i) * job.OW * itemsize
        if job.divisors != NULL:
            kernel.mean_taps(job.OW, job.KH * job.KW, base, offsets, job.divisors, row_factor(job, row0 + i), output)
        elif job.indices == NULL:
            kernel.max_taps(job.OW, job.KH * job.KW, base, offsets, output)
        else:
            h0 = (row0 + i) * job.stride_h - job.pad_h
            first = max(ceil_div(-h0, job.dil_h), 0)        # the taps in rows of the image
            stop = max(min(ceil_div(job.H - h0, job.dil_h), job.KH), first)
            positions[first * job.KW] = 0
            for t in range(first * job.KW, stop * job.KW):
                positions[t] = (h0 + t // job.KW * job.dil_h) * job.W + t % job.KW * job.dil_w
            kernel.argmax_taps(job.OW, (stop - first) * job.KW, base, offsets + first * job.KW, positions + first * job.KW, -job.pad_w,
                               job.stride_w, job.dil_w, job.W, output, job.indices + (plane * job.OH + row0 + i) * job.OW)


cdef int pool_forward(Pool *job, bint average) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t tasks, task, slab_bytes, table, a_thread
    cdef char *workspace = NULL
    cdef char *mine
    cdef int threads, status = -1
    cdef unsigned int mode = 0
    if job.planes * job.OH * job.OW == 0:
        return 0
    threads = threads_for(<double> job.planes * job.OH * job.OW * job.KH * job.KW)
    if average and make_divisors(job, False) != 0:
        return -1
    if job.direct:
        job.block_rows = max(1, min(job.OH, SLAB_BYTES // (job.W * job.stride_h * job.itemsize)))
        job.row_blocks = (job.OH + job.block_rows - 1) // job.block_rows
        tasks = job.planes * job.row_blocks
        if threads == 1:
            for task in range(tasks):
                direct_block(job, task)
        else:
            with parallel(num_threads=threads):
                mode = enter_team()
                for task in prange(tasks, schedule="static"):
                    direct_block(job, task)
                leave_team(mode)
        release_divisors(job)
        return 0
    if pool_slab(job) == 0:
        tasks = job.planes * job.row_blocks
        threads = <int> min(threads, tasks)
        slab_bytes = ((slab_channel(&job.rows, &job.columns, job.kernel.lanes) + 2 * job.kernel.lanes) * job.itemsize + 63) // 64 * 64
        table = job.KH * job.KW + 1
        a_thread = slab_bytes + (2 * table * sizeof(Py_ssize_t) + 63) // 64 * 64
        workspace = <char *> allocate(threads * a_thread)
        if workspace != NULL:
            status = 0
            with parallel(num_threads=threads):
                mode = enter_team()
                for task in prange(tasks, schedule="static"):
                    mine = workspace + threadid() * a_thread
                    pool_block(job, task, mine, <Py_ssize_t *> (mine + slab_bytes), <Py_ssize_t *> (mine + slab_bytes) + table)
                leave_team(mode)
    release(workspace)
    release_divisors(job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


def max_pool2d_forward(input, output, indices, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w,
                       Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w):
    cdef Array x, y, i
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, &x, &y, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    job.input, job.output = x.data, y.data
    if indices is not None:
        view(indices, &i, True)
        job.indices = <int64_t *> i.data
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, False)
        leave_team(mode)
    if status != 0:
        raise MemoryError("max_pool2d: no memory for the workspace")


cdef bint max_plane(const Pool *job, Py_ssize_t plane, const char *gradient, const int64_t *indices, char *image) noexcept nogil:
    """The gradient of one plane; False where an index lies outside of it."""
    cdef Py_ssize_t pooled = job.OH * job.OW, pixels = job.H * job.W
    gradient, indices, image = gradient + plane * pooled * job.itemsize, indices + plane * pooled, image + plane * pixels * job.itemsize
    if job.apart and job.kernel.max_gradient(job.OH, job.OW, gradient, indices, job.H, job.W, image):
        return True
    # Other windows, or an index outside of its own window, which is the caller's choice: wherever it points.
    job.kernel.fill(pixels, 0, image)
    return job.kernel.scatter_add(pooled, gradient, indices, pixels, image)


cdef bint max_backward(Pool *job, const char *gradient, const int64_t *indices, char *image) noexcept nogil:
    """Run the job; False where an index lies outside of its plane."""
    cdef Py_ssize_t plane
    cdef int threads = threads_for(<double> job.planes * job.H * job.W), wrong = 0
    cdef unsigned int mode = 0
    job.apart = (job.square and job.KH == 2 and job.stride_h == 2 and job.pad_h == 0 and job.pad_w == 0
                 and 2 * job.OH <= job.H and 2 * job.OW <= job.W)
    if threads == 1:
        for plane in range(job.planes):
            wrong |= not max_plane(job, plane, gradient, indices, image)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for plane in prange(job.planes, schedule="static"):
                wrong |= not max_plane(job, plane, gradient, indices, image)
            leave_team(mode)
    return wrong == 0


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
    pool_start(&job, &x, &g, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    with nogil:
        mode = enter_team()
        inside = max_backward(&job, g.data, <int64_t *> i.data, x.data)
        leave_team(mode)
    return bool(inside)


def avg_pool2d_forward(input, output, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h,
                       Py_ssize_t pad_w, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array x, y
    cdef Pool job
    cdef int status
    cdef unsigned int mode = 0
    view(input, &x)
    view(output, &y, True)
    pool_start(&job, &x, &y, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, 1, 1)
    job.input, job.output = x.data, y.data
    job.count_include_pad, job.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        status = pool_forward(&job, True)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool2d: no memory for the workspace")


cdef void spread_far(const Pool *job, const char *sums, char *row) noexcept nogil:
    """A row of the image from the sums of the shares that reach it, at a column stride above 2."""
    cdef Py_ssize_t kw, w0, low, high
    job.kernel.fill(job.W, 0, row)
    for kw in range(job.KW):
        w0 = kw - job.pad_w
        low = min(max(ceil_div(-w0, job.stride_w), 0), job.OW)
        high = max(min(ceil_div(job.W - w0, job.stride_w), job.OW), low)
        job.kernel.add_strided(high - low, sums + low * job.itemsize, 1, row + (w0 + low * job.stride_w) * job.itemsize, job.stride_w)


cdef void spread_rows(const Pool *job, const char *gradient, char *image, Py_ssize_t h0, Py_ssize_t h1, char *workspace) noexcept nogil:
    """Rows h0 to h1 of one plane: the windows' shares, then for each row the windows that reach it. Rows in the same windows are alike."""
    cdef Py_ssize_t itemsize = job.itemsize, h, i, first, stop, first_before = -1, stop_before = -1
    cdef Py_ssize_t low = max(ceil_div(h0 + job.pad_h - job.KH + 1, job.stride_h), 0)
    cdef Py_ssize_t high = min((h1 - 1 + job.pad_h) // job.stride_h + 1, job.OH)
    cdef char *sums = workspace + job.block_windows * job.OW * itemsize
    cdef char *shares
    cdef char *row
    for i in range(low, high):
        job.kernel.share_row(job.OW, gradient + i * job.OW * itemsize, job.divisors, row_factor(job, i),
                             workspace + (i - low) * job.OW * itemsize)
    for h in range(h0, h1):
        first = max(ceil_div(h + job.pad_h - job.KH + 1, job.stride_h), 0)
        stop = max(min((h + job.pad_h) // job.stride_h + 1, job.OH), first)
        shares, row = workspace + (first - low) * job.OW * itemsize, image + h * job.W * itemsize
        if first == first_before and stop == stop_before:
            memcpy(row, row - job.W * itemsize, job.W * itemsize)
        elif job.stride_w <= 2:
            job.kernel.spread_row(job.KW, <int> job.stride_w, job.pad_w, job.OW, stop - first, shares, job.OW, sums, row, job.W)
        else:
            job.kernel.sum_rows(stop - first, job.OW, shares, job.OW, sums)
            spread_far(job, sums, row)
        first_before, stop_before = first, stop


cdef void average_block(const Pool *job, Py_ssize_t task, const char *gradient, char *image, char *workspace) noexcept nogil:
    cdef Py_ssize_t plane = task // job.row_blocks, h0 = task % job.row_blocks * job.block_rows
    cdef Py_ssize_t h1 = min(h0 + job.block_rows, job.H)
    gradient, image = gradient + plane * job.OH * job.OW * job.itemsize, image + plane * job.H * job.W * job.itemsize
    if job.square:
        job.kernel.mean_gradient(<int> job.KW, <int> job.stride_w, job.pad_h, job.pad_w, job.OH, job.OW, gradient, job.divisors,
                                 job.factors, h0, h1, job.W, image)
    else:
        spread_rows(job, gradient, image, h0, h1, workspace)


cdef int average_backward(Pool *job, const char *gradient, char *image) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t task, a_thread = 0
    cdef char *workspace = NULL
    cdef int threads = threads_for(<double> job.planes * job.OH * job.OW * job.KH * job.KW)
    cdef unsigned int mode = 0
    job.block_rows = max(1, min(job.H, SLAB_BYTES // (job.OW * job.itemsize)))
    job.row_blocks = (job.H + job.block_rows - 1) // job.block_rows
    if make_divisors(job, True) != 0:
        return -1
    if not job.square:
        job.block_windows = min(job.OH, (job.block_rows + job.KH - 2) // job.stride_h + 2)
        a_thread = (((job.block_windows + 1) * job.OW + job.KW + 2 * job.kernel.lanes) * job.itemsize + 63) // 64 * 64
        workspace = <char *> allocate(threads * a_thread)
        if workspace == NULL:
            release_divisors(job)
            return -1
    if threads == 1:
        for task in range(job.planes * job.row_blocks):
            average_block(job, task, gradient, image, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(job.planes * job.row_blocks, schedule="static"):
                average_block(job, task, gradient, image, workspace + threadid() * a_thread if workspace != NULL else NULL)
            leave_team(mode)
    release(workspace)
    release_divisors(job)
    return 0


def avg_pool2d_backward(grad_output, grad_input, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w,
                        Py_ssize_t pad_h, Py_ssize_t pad_w, bint count_include_pad, Py_ssize_t divisor_override):
    cdef Array g, x
    cdef Pool job
    cdef int status = 0
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_input, &x, True)
    pool_start(&job, &x, &g, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, 1, 1)
    job.count_include_pad, job.divisor_override = count_include_pad, divisor_override
    with nogil:
        mode = enter_team()
        if g.size == 0:
            job.kernel.fill(x.size, 0, x.data)
        elif x.size > 0:
            status = average_backward(&job, g.data, x.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("avg_pool2d_backward: no memory for the workspace")
