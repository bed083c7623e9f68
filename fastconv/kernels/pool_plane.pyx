"""Pooling of one plane: a block of its outputs, and a block of rows of a mean's gradient. Who calls cuts planes into blocks, and has the
threads; `pool_lay` or `gradient_lay` says once for all of them how."""
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastconv.kernels.runtime cimport allocate, fc_kernels, kernels, release
from fastconv.kernels.slab cimport (
    axis_layout, axis_measure, axis_release, axis_start, ceil_div, ceil_to, slab_channel, slab_pack, slab_plane, tap_offset,
)


cdef void pool_start(Pool *job, Operation operation, Py_ssize_t itemsize, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h,
                     Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w) noexcept nogil:
    job.kernel, job.operation, job.itemsize, job.KH, job.KW = kernels(itemsize), operation, itemsize, kernel_h, kernel_w
    job.stride_h, job.stride_w, job.pad_h, job.pad_w, job.dil_h, job.dil_w = stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    job.count_include_pad, job.divisor_override, job.joined = False, 0, False
    job.divisors, job.factors, job.rows.offset, job.columns.offset = NULL, NULL, NULL, NULL


cdef void pool_sizes(Pool *job, Py_ssize_t planes, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW) noexcept nogil:
    job.planes, job.H, job.W, job.OH, job.OW = planes, H, W, OH, OW
    job.direct = (2 <= job.KW <= 3 and job.dil_h == 1 and job.dil_w == 1 and job.stride_h == job.stride_w and job.stride_w <= 2
                  and H * W < MOST_PIXELS)
    job.square = job.direct and job.KH == job.KW


cdef void join_planes(Pool *job) noexcept nogil:
    """Windows that neither overlap nor leave rows over see all planes as one: a small plane takes as long to begin as to pool."""
    if job.direct and job.pad_h == 0 and job.KH == job.stride_h and job.H == job.OH * job.KH:
        job.H, job.OH, job.planes, job.joined = job.H * job.planes, job.OH * job.planes, 1, True


cdef int pool_lay(Pool *job) noexcept nogil:
    """Blocks, tables and workspace of the forward; -1 when memory is out. `pool_release` follows in any case."""
    job.block_columns = job.OW
    if job.direct:
        job.block_rows = max(1, min(job.OH, SLAB_BYTES // (job.W * job.stride_h * job.itemsize)))
        if job.OH == 1:
            job.block_columns = min(job.OW, LONG_ROW)
        job.a_thread = job.slab_bytes = 0
    else:
        if slab_lay(job) != 0:
            return -1
        job.slab_bytes = ceil_to((slab_channel(&job.rows, &job.columns, job.kernel.lanes) + 2 * job.kernel.lanes) * job.itemsize, 64)
        job.a_thread = job.slab_bytes + ceil_to(2 * (job.KH * job.KW + 1) * sizeof(Py_ssize_t), 64)
    job.row_blocks = (job.OH + job.block_rows - 1) // job.block_rows
    job.column_blocks = (job.OW + job.block_columns - 1) // job.block_columns
    job.factor_rows = job.block_rows if job.joined else job.OH
    return make_divisors(job, False) if job.operation == MEAN else 0


cdef int slab_lay(Pool *job) noexcept nogil:
    """The slab's layout: as many output rows as fit into SLAB_BYTES, or a part of a long one."""
    cdef Py_ssize_t t, lanes = job.kernel.lanes
    if axis_start(&job.rows, job.H, job.stride_h, job.KH) != 0 or axis_start(&job.columns, job.W, job.stride_w, job.KW) != 0:
        return -1
    for t in range(job.KH):
        job.rows.offset[t] = t * job.dil_h - job.pad_h
    for t in range(job.KW):
        job.columns.offset[t] = t * job.dil_w - job.pad_w
    axis_measure(&job.rows)
    axis_measure(&job.columns)
    axis_layout(&job.columns, job.block_columns, False)
    job.block_rows = job.OH
    axis_layout(&job.rows, job.block_rows, False)
    while job.block_rows > 1 and slab_channel(&job.rows, &job.columns, lanes) * job.itemsize > SLAB_BYTES:
        job.block_rows = (job.block_rows + 1) // 2
        axis_layout(&job.rows, job.block_rows, False)
    while job.block_columns > LONG_ROW // 8 and slab_channel(&job.rows, &job.columns, lanes) * job.itemsize > 2 * SLAB_BYTES:
        job.block_columns = (job.block_columns + 1) // 2
        axis_layout(&job.columns, job.block_columns, False)
    return 0


cdef void pool_release(Pool *job) noexcept nogil:
    release_divisors(job)
    axis_release(&job.rows)
    axis_release(&job.columns)


cdef void pool_rows(const Pool *job, const char *plane, Py_ssize_t row0, Py_ssize_t rows, Py_ssize_t column0, Py_ssize_t columns,
                    char *output, int64_t *indices, char *workspace) noexcept nogil:
    """A block of outputs (or all `columns` of several rows) of one plane, to `output`, whose rows are OW apart. indices, likewise, may be
    NULL; they count from the plane's first pixel."""
    cdef const char *divisors = NULL
    cdef const char *factors = NULL
    if not job.direct:
        pool_slab(job, plane, row0, rows, column0, columns, output, indices, workspace, <Py_ssize_t *> (workspace + job.slab_bytes))
        return
    if job.operation == MEAN:
        divisors, factors = job.divisors + column0 * job.itemsize, job.factors + (0 if job.joined else row0) * job.itemsize
    elif job.operation == SUM:
        divisors = &job.few_divisors[0]     # not NULL: no maximum; without factors nothing is divided, and nothing read from it
    job.kernel.pool_rows(
        job.KH, <int> job.KW, <int> job.stride_w, rows, columns, plane, job.H, job.W, row0 * job.stride_h - job.pad_h,
        column0 * job.stride_w - job.pad_w, divisors, factors, output, indices)


cdef void pool_slab(const Pool *job, const char *plane, Py_ssize_t row0, Py_ssize_t rows, Py_ssize_t column0, Py_ssize_t columns,
                    char *output, int64_t *indices, char *slab, Py_ssize_t *offsets) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, taps = job.KH * job.KW
    cdef Py_ssize_t slot_plane = slab_plane(&job.rows, &job.columns, kernel.lanes)
    cdef Py_ssize_t i, t, h0, first, stop
    cdef Py_ssize_t *positions = offsets + taps + 1
    cdef const char *base
    cdef const char *divisors = job.divisors + column0 * itemsize if job.operation == MEAN else NULL
    cdef char *row
    slab_pack(kernel, itemsize, &job.rows, &job.columns, plane, 1, 0, row0, rows, column0, columns,
              -INFINITY if job.operation == MAXIMUM else 0, slab)
    for t in range(taps):
        offsets[t] = tap_offset(&job.rows, &job.columns, slot_plane, t // job.KW, t % job.KW)
    for i in range(rows):
        base = slab + i * job.columns.pitch * itemsize
        row = output + i * job.OW * itemsize
        if job.operation != MAXIMUM:
            kernel.mean_taps(columns, job.KH, job.KW, base, offsets, divisors,
                             get_number(job, job.factors, row0 + i) if divisors != NULL else 1, row)
        elif indices == NULL:
            kernel.max_taps(columns, taps, base, offsets, row)
        else:
            h0 = (row0 + i) * job.stride_h - job.pad_h
            first = max(ceil_div(-h0, job.dil_h), 0)        # the taps in rows of the image
            stop = max(min(ceil_div(job.H - h0, job.dil_h), job.KH), first)
            positions[first * job.KW] = 0
            for t in range(first * job.KW, stop * job.KW):
                positions[t] = (h0 + t // job.KW * job.dil_h) * job.W + t % job.KW * job.dil_w
            kernel.argmax_taps(columns, (stop - first) * job.KW, base, offsets + first * job.KW, positions + first * job.KW,
                               column0 * job.stride_w - job.pad_w, job.stride_w, job.dil_w, job.W, row, indices + i * job.OW)


# ---- what means divide by


cdef Py_ssize_t window_count(const Pool *job, Py_ssize_t place, Py_ssize_t kernel, Py_ssize_t pad, Py_ssize_t size) noexcept nogil:
    """The elements that count along one axis of the window that starts at `place` (PyTorch's rule: clipped to the padded size)."""
    cdef Py_ssize_t stop = min(place + kernel, size + pad)
    if not job.count_include_pad:
        place, stop = max(place, 0), min(stop, size)
    return max(stop - place, 1)


cdef void put_number(const Pool *job, char *table, Py_ssize_t i, double value) noexcept nogil:
    if job.itemsize == 8:
        (<double *> table)[i] = value
    else:
        (<float *> table)[i] = <float> value


cdef double get_number(const Pool *job, const char *table, Py_ssize_t i) noexcept nogil:
    return (<const double *> table)[i] if job.itemsize == 8 else (<const float *> table)[i]


cdef int make_divisors(Pool *job, bint inverse) noexcept nogil:
    """The divisors of all windows, a column's times a row's, or the `inverse` of each to multiply by; -1 when memory is out."""
    cdef Py_ssize_t i, columns = job.OW + job.kernel.lanes
    cdef Py_ssize_t room = (columns + job.factor_rows) * job.itemsize
    cdef double count, common = 1
    job.divisors = &job.few_divisors[0] if room <= FEW_BYTES else <char *> allocate(room)
    if job.divisors == NULL:
        return -1
    job.factors = job.divisors + columns * job.itemsize
    job.kernel.fill(columns, 1, job.divisors)
    if job.divisor_override == 0:
        # Where no window hangs over the right edge or its padding is counted, all divide alike, and the rows' table holds it: exact.
        if (job.pad_w == 0 or job.count_include_pad) and (job.OW - 1) * job.stride_w + job.KW <= job.W + 2 * job.pad_w:
            common = job.KW
        else:
            for i in range(job.OW):
                count = window_count(job, i * job.stride_w - job.pad_w, job.KW, job.pad_w, job.W)
                put_number(job, job.divisors, i, 1 / count if inverse else count)
    for i in range(1 if job.joined else job.factor_rows):
        count = <double> job.divisor_override
        if job.divisor_override == 0:
            count = common * window_count(job, i * job.stride_h - job.pad_h, job.KH, job.pad_h, job.H)
        put_number(job, job.factors, i, 1 / count if inverse else count)
    if job.joined:
        job.kernel.fill(job.factor_rows, get_number(job, job.factors, 0), job.factors)
    return 0


cdef void release_divisors(Pool *job) noexcept nogil:
    if job.divisors != &job.few_divisors[0]:
        release(job.divisors)


# ---- the gradient of a mean


cdef int gradient_lay(Pool *job) noexcept nogil:
    """Blocks of rows of the image, tables and workspace of a mean's gradient; -1 when memory is out. `release_divisors` follows."""
    job.block_rows = max(1, min(job.H, SLAB_BYTES // (job.OW * job.itemsize)))
    job.row_blocks = (job.H + job.block_rows - 1) // job.block_rows
    job.block_windows = min(job.OH, (job.block_rows + job.KH - 2) // job.stride_h + 2)
    job.a_thread, job.factor_rows = 0, job.OH
    if not job.square:
        job.a_thread = ceil_to(((job.block_windows + 1) * job.OW + job.KW + 2 * job.kernel.lanes) * job.itemsize, 64)
    return make_divisors(job, True)


cdef void gradient_windows(const Pool *job, Py_ssize_t h0, Py_ssize_t h1, Py_ssize_t *low, Py_ssize_t *high) noexcept nogil:
    """The rows of windows low <= i < high that reach rows h0 to h1."""
    low[0] = max(ceil_div(h0 + job.pad_h - job.KH + 1, job.stride_h), 0)
    high[0] = max(min((h1 - 1 + job.pad_h) // job.stride_h + 1, job.OH), low[0])


cdef void gradient_rows(const Pool *job, const char *gradient, char *image, Py_ssize_t h0, Py_ssize_t h1, char *workspace) noexcept nogil:
    """Rows h0 to h1 of one plane. Of the gradient only the rows of windows that reach them are read."""
    if job.square:
        job.kernel.mean_gradient(<int> job.KW, <int> job.stride_w, job.pad_h, job.pad_w, job.OH, job.OW, gradient, job.divisors,
                                 job.factors, h0, h1, job.W, image)
    else:
        spread_rows(job, gradient, image, h0, h1, workspace)


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
    """The windows' shares, then for each row the windows that reach it. Rows in the same windows are alike."""
    cdef Py_ssize_t itemsize = job.itemsize, h, i, low, high, first, stop, first_before = -1, stop_before = -1
    cdef char *sums = workspace + job.block_windows * job.OW * itemsize
    cdef char *shares
    cdef char *row
    gradient_windows(job, h0, h1, &low, &high)
    for i in range(low, high):
        job.kernel.share_row(job.OW, gradient + i * job.OW * itemsize, job.divisors, get_number(job, job.factors, i),
                             workspace + (i - low) * job.OW * itemsize)
    for h in range(h0, h1):
        gradient_windows(job, h, h + 1, &first, &stop)
        shares, row = workspace + (first - low) * job.OW * itemsize, image + h * job.W * itemsize
        if first == first_before and stop == stop_before:
            memcpy(row, row - job.W * itemsize, job.W * itemsize)
        elif job.stride_w <= 2:
            job.kernel.spread_row(job.KW, <int> job.stride_w, job.pad_w, job.OW, stop - first, shares, job.OW, sums, row, job.W)
        else:
            job.kernel.sum_rows(stop - first, job.OW, shares, job.OW, sums)
            spread_far(job, sums, row)
        first_before, stop_before = first, stop
