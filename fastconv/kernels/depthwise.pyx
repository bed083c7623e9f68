"""The gradients of filters that each see one channel.

    gradient of the input     task: some rows of an image's channel; its filters add up there, in their order
      3 x 3, stride 1 or 2      filter3x3, turned3x3: the gradient's plane as it lies in memory
      any other                 pack the gradient's rows, padded; for each phase filter_taps; put the phases together
    gradient of 3 x 3 weights, stride 1 or 2
                              task: a filter and a part of the images and rows, as they lie; the parts are added in order

A phase is the pixels of the input whose places (padding counted) are alike modulo the stride: the same taps reach them. The batch is
cut into parts only where there are few filters, and into a number that follows from the shapes alone.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memset

from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport (
    Axis, axis_layout, axis_measure, axis_release, axis_start, ceil_div, slab_channel, slab_pack, slab_plane, tap_offset,
)
from fastconv.kernels.weight_gradient cimport weight_gradient

cdef enum:
    FEW_TASKS = 16               # below so many, planes are cut into blocks of rows
    LEAST_ROWS = 8               # of a block: each reads some more
    SLAB_BYTES = 64 * 1024       # a part of the second-level cache


cdef Py_ssize_t row_blocks(Py_ssize_t planes, Py_ssize_t rows) noexcept nogil:
    """Blocks of the rows of each plane: enough for a number of threads."""
    return max(1, min(rows // LEAST_ROWS, (FEW_TASKS + planes - 1) // planes))


# ---- the gradient of the input ----------------------------------------------------------------------------------

cdef struct Phases:
    Axis rows, columns           # of the gradient; every tap belongs to one phase
    Py_ssize_t grid_rows, grid_columns           # of a phase, at most
    Py_ssize_t *offsets          # [KH * KW] where the taps read the slab, phase by phase
    Py_ssize_t *start            # [stride_h * stride_w + 1] each phase's first tap
    Py_ssize_t slab_bytes, stage_bytes


cdef const char *bias_of(const Turned *job, Py_ssize_t plane) noexcept nogil:
    if job.bias == NULL:
        return NULL
    return job.bias + plane % job.groups * job.itemsize


cdef void fill_value(const Turned *job, Py_ssize_t count, const char *value, char *target) noexcept nogil:
    job.kernel.fill(count, (<double *> value)[0] if job.itemsize == 8 else (<float *> value)[0], target)


cdef void turned_rows(const Turned *job, Py_ssize_t plane, Py_ssize_t row0, Py_ssize_t rows, const char *weights) noexcept nogil:
    """3 x 3: rows of one plane of the output, from all its filters."""
    cdef Py_ssize_t f
    cdef const char *weight
    cdef const char *gradient
    cdef const char *bias = bias_of(job, plane)
    cdef char *output = job.output + (plane * job.OH + row0) * job.OW * job.itemsize
    if bias != NULL and job.stride_h == 2:
        fill_value(job, rows * job.OW, bias, output)
    for f in range(job.filters):
        weight = weights + (plane % job.groups * job.filters + f) * 9 * job.itemsize
        gradient = job.gradient + (plane * job.filters + f) * job.H * job.W * job.itemsize
        if job.stride_h == 1:
            job.kernel.filter3x3(1, rows, job.OW, gradient, job.H, job.W, row0 + job.pad_h - 2, job.pad_w - 2, weight,
                                 bias if f == 0 else NULL, 0, f > 0, output)
        else:
            job.kernel.turned3x3(rows, job.OW, gradient, job.H, job.W, row0 + job.pad_h, job.pad_w, weight,
                                 f > 0 or bias != NULL, output)


cdef void phase_rows(const Turned *job, const Phases *phases, Py_ssize_t plane, Py_ssize_t row0, Py_ssize_t rows, const char *weights,
                     char *workspace) noexcept nogil:
    """Any layer: rows row0.. of every phase of one plane of the output."""
    cdef Py_ssize_t itemsize = job.itemsize, taps = job.KH * job.KW, columns = phases.grid_columns, f, a, b, r, p, here, first, count
    cdef char *slab = workspace
    cdef char *stage = workspace + phases.slab_bytes
    cdef char *row
    cdef char *target
    cdef const char *bias = bias_of(job, plane)
    cdef bint plain = job.stride_h == 1 and job.stride_w == 1    # one phase, which is the output
    for f in range(job.filters):
        if f > 0:
            bias = NULL
        slab_pack(job.kernel, itemsize, &phases.rows, &phases.columns,
                  job.gradient + (plane * job.filters + f) * job.H * job.W * itemsize, 1, 0, row0, rows, 0, columns, 0, slab)
        if plain:
            target = job.output + (plane * job.OH + row0) * job.OW * itemsize
            job.kernel.filter_taps(rows, columns, taps, slab, phases.columns.pitch, phases.offsets,
                                   weights + (plane % job.groups * job.filters + f) * taps * itemsize, bias, 0,
                                   stage if f > 0 else target, columns)
            if f > 0:
                job.kernel.add_strided(rows * columns, stage, 1, target, 1)
            continue
        for a in range(min(job.stride_h, job.OH)):
            here = min(rows, ceil_div(job.OH - a, job.stride_h) - row0)      # the last phases may lack the last row
            for b in range(job.stride_w):
                p = a * job.stride_w + b
                first, count = phases.start[p], phases.start[p + 1] - phases.start[p]
                job.kernel.filter_taps(here, columns, count, slab, phases.columns.pitch, phases.offsets + first,
                                       weights + ((plane % job.groups * job.filters + f) * taps + first) * itemsize, bias, 0,
                                       stage + b * rows * columns * itemsize, columns)
            for r in range(here):
                row = stage + r * columns * itemsize
                target = job.output + (plane * job.OH + (row0 + r) * job.stride_h + a) * job.OW * itemsize
                if job.stride_w == 2:
                    job.kernel.weave(job.OW, row, row + rows * columns * itemsize, f > 0, target)
                    continue
                for b in range(min(job.stride_w, job.OW)):
                    count = ceil_div(job.OW - b, job.stride_w)
                    if f > 0:
                        job.kernel.add_strided(count, row + b * rows * columns * itemsize, 1, target + b * itemsize, job.stride_w)
                    else:
                        job.kernel.copy_strided(count, row + b * rows * columns * itemsize, 1, target + b * itemsize, job.stride_w)


cdef void place_taps(Axis *axis, Py_ssize_t stride, Py_ssize_t pad, Py_ssize_t dilation) noexcept nogil:
    """Where the taps read for the first pixel that they reach, phase_of(...)."""
    cdef Py_ssize_t t
    for t in range(axis.taps):
        axis.offset[t] = (phase_of(t, stride, pad, dilation) + pad - t * dilation) // stride
    axis_measure(axis)


cdef Py_ssize_t phase_of(Py_ssize_t tap, Py_ssize_t stride, Py_ssize_t pad, Py_ssize_t dilation) noexcept nogil:
    cdef Py_ssize_t place = (tap * dilation - pad) % stride
    return place + stride if place < 0 else place


cdef void lay_out(const Turned *job, Py_ssize_t rows, Phases *phases) noexcept nogil:
    """For blocks of up to `rows` rows of each phase."""
    cdef Py_ssize_t lanes = job.kernel.lanes
    axis_layout(&phases.rows, rows, False)
    axis_layout(&phases.columns, phases.grid_columns, False)
    phases.slab_bytes = ((slab_channel(&phases.rows, &phases.columns, lanes) + 2 * lanes) * job.itemsize + 63) // 64 * 64
    phases.stage_bytes = (job.stride_w * rows * phases.grid_columns * job.itemsize + 63) // 64 * 64


cdef void sort_taps(const Turned *job, Phases *phases, char *weights) noexcept nogil:
    """Offsets and weights phase by phase, each phase's taps in their order."""
    cdef Py_ssize_t taps = job.KH * job.KW, a, b, th, tw, k = 0
    for a in range(job.stride_h):
        for b in range(job.stride_w):
            phases.start[a * job.stride_w + b] = k
            for th in range(job.KH):
                for tw in range(job.KW):
                    if (phase_of(th, job.stride_h, job.pad_h, job.dil_h) == a
                            and phase_of(tw, job.stride_w, job.pad_w, job.dil_w) == b):
                        phases.offsets[k] = tap_offset(&phases.rows, &phases.columns,
                                                       slab_plane(&phases.rows, &phases.columns, job.kernel.lanes), th, tw)
                        job.kernel.copy_strided(job.groups * job.filters, job.weights + (th * job.KW + tw) * job.itemsize, taps,
                                                weights + k * job.itemsize, taps)
                        k += 1
    phases.start[job.stride_h * job.stride_w] = k


cdef int input_by_phases(const Turned *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Phases phases
    cdef Py_ssize_t taps = job.KH * job.KW, planes = job.images * job.groups, rows, blocks, task, a_thread
    cdef int threads = threads_for(<double> planes * job.filters * job.H * job.W * taps), status = -1
    cdef char *weights = NULL
    cdef char *workspace = NULL
    cdef unsigned int mode = 0
    phases.rows.offset = phases.columns.offset = phases.offsets = NULL
    if axis_start(&phases.rows, job.H, 1, job.KH) == 0 and axis_start(&phases.columns, job.W, 1, job.KW) == 0:
        place_taps(&phases.rows, job.stride_h, job.pad_h, job.dil_h)
        place_taps(&phases.columns, job.stride_w, job.pad_w, job.dil_w)
        phases.grid_rows, phases.grid_columns = ceil_div(job.OH, job.stride_h), ceil_div(job.OW, job.stride_w)
        rows = ceil_div(phases.grid_rows, row_blocks(planes, phases.grid_rows))
        lay_out(job, rows, &phases)
        while rows > LEAST_ROWS and phases.slab_bytes + phases.stage_bytes > SLAB_BYTES:
            rows = (rows + 1) // 2
            lay_out(job, rows, &phases)
        blocks = ceil_div(phases.grid_rows, rows)
        threads = <int> min(threads, planes * blocks)
        a_thread = phases.slab_bytes + phases.stage_bytes
        phases.offsets = <Py_ssize_t *> allocate((taps + job.stride_h * job.stride_w + 1) * sizeof(Py_ssize_t))
        weights = <char *> allocate(job.groups * job.filters * taps * job.itemsize)
        workspace = <char *> allocate(threads * a_thread)
    if phases.offsets != NULL and weights != NULL and workspace != NULL:
        phases.start = phases.offsets + taps
        sort_taps(job, &phases, weights)
        if threads == 1:                 # a team of one would cost as much as a small layer
            for task in range(planes * blocks):
                phase_rows(job, &phases, task // blocks, task % blocks * rows, min(rows, phases.grid_rows - task % blocks * rows), weights,
                           workspace)
        else:
            with parallel(num_threads=threads):
                mode = enter_team()
                for task in prange(planes * blocks, schedule="static"):
                    phase_rows(job, &phases, task // blocks, task % blocks * rows, min(rows, phases.grid_rows - task % blocks * rows),
                               weights, workspace + threadid() * a_thread)
                leave_team(mode)
        status = 0
    release(workspace)
    release(weights)
    release(phases.offsets)
    axis_release(&phases.rows)
    axis_release(&phases.columns)
    return status


cdef int depthwise_input(const Turned *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t filters = job.groups * job.filters, planes = job.images * job.groups, blocks = row_blocks(planes, job.OH), task, t
    cdef int threads = <int> min(threads_for(<double> job.images * filters * job.H * job.W * 9), planes * blocks)
    cdef char *turned
    cdef unsigned int mode = 0
    if (job.KH != 3 or job.KW != 3 or job.stride_h != job.stride_w or job.stride_h > 2 or job.dil_h != 1 or job.dil_w != 1):
        return input_by_phases(job)
    turned = <char *> allocate(filters * 9 * job.itemsize)
    if turned == NULL:
        return -1
    for t in range(9):                   # a filter of stride 1 takes its taps in the opposite order
        job.kernel.copy_strided(filters, job.weights + (8 - t if job.stride_h == 1 else t) * job.itemsize, 9, turned + t * job.itemsize, 9)
    with parallel(num_threads=threads):
        mode = enter_team()
        for task in prange(planes * blocks, schedule="static"):
            turned_rows(job, task // blocks, job.OH * (task % blocks) // blocks,
                        job.OH * (task % blocks + 1) // blocks - job.OH * (task % blocks) // blocks, turned)
        leave_team(mode)
    release(turned)
    return 0


# ---- the gradient of the weights --------------------------------------------------------------------------------

cdef void sum_part(const WeightGradient *job, Py_ssize_t filter, Py_ssize_t blocks, Py_ssize_t first, Py_ssize_t last, char *sums,
                   char *weight) noexcept nogil:
    """One filter's sum over the blocks of rows first..last - 1 of all images."""
    cdef Py_ssize_t piece, image, row0, row1, vectors = job.kernel.lanes * job.itemsize
    cdef Py_ssize_t plane = job.rows.size * job.columns.size
    memset(sums, 0, 9 * vectors)
    for piece in range(first, last):
        image = piece // blocks
        row0, row1 = job.grid_rows * (piece % blocks) // blocks, job.grid_rows * (piece % blocks + 1) // blocks
        job.kernel.weight3x3(
            <int> job.rows.step, row1 - row0, job.grid_columns,
            job.gradient + ((image * job.groups * job.outputs + filter) * job.grid_rows + row0) * job.grid_columns * job.itemsize,
            job.source + (image * job.groups + filter // job.outputs) * plane * job.itemsize, job.rows.size, job.columns.size,
            row0 * job.rows.step + job.rows.offset[0], job.columns.offset[0], sums)
    job.kernel.weight_sums(9, sums, weight)


cdef int depthwise_weight(WeightGradient *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t filters = job.groups * job.outputs, blocks = row_blocks(filters * job.images, job.grid_rows)
    cdef Py_ssize_t pieces = job.images * blocks, parts = min(pieces, (FEW_TASKS + filters - 1) // filters), task, part
    cdef Py_ssize_t vectors = 9 * job.kernel.lanes * job.itemsize
    cdef int threads = <int> min(threads_for(<double> job.images * filters * job.grid_rows * job.grid_columns * 9), filters * parts)
    cdef char *sums = <char *> allocate(threads * vectors)
    cdef char *weights = job.weight if parts == 1 else <char *> allocate(parts * filters * 9 * job.itemsize)
    cdef int status = -1
    cdef unsigned int mode = 0
    if sums != NULL and weights != NULL:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(filters * parts, schedule="static"):
                part = task // filters
                sum_part(job, task % filters, blocks, pieces * part // parts, pieces * (part + 1) // parts,
                         sums + threadid() * vectors, weights + task * 9 * job.itemsize)
            leave_team(mode)
        if parts > 1:
            job.kernel.sum_rows(parts, filters * 9, weights, filters * 9, job.weight)
        status = 0
    release(sums)
    if parts > 1:
        release(weights)
    # The padding's zeros are multiplied by gradients that are not finite, into NaNs that no term of the sum is: once more, with care.
    if status == 0 and not job.kernel.all_finite(filters * 9, job.weight):
        status = weight_gradient(job)
    return status
