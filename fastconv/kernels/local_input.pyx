"""The gradient of a locally connected layer's input: gathered by the input's rows, so that no two tasks write to the same pixel.

    task: some rows of one channel of some images, the rows being alike modulo the stride: the same rows of taps reach them
      for each row of taps: local_tile over the taps and output channels, into a plane of sums for each column of taps
      for each row of the image: the planes' rows, shifted and spread by the stride, are added up

A plane lies as the output does, so the pixels of several rows are neighbours there too.
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.local cimport IMAGES, pixels_at_once
from fastconv.kernels.runtime cimport allocate, fc_local, note_team, release
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef enum:
    CACHE_BYTES = 192 * 1024     # a part of the second-level cache, for the planes and as much for the gradient
    LONG_ROW = 2048              # pixels; longer rows are cut

cdef struct Cut:
    Py_ssize_t images, height, width             # of one task: rows of a phase, columns of the image
    Py_ssize_t image_blocks, row_blocks, column_blocks, phases
    Py_ssize_t most              # columns of the output that a task may need
    Py_ssize_t *offsets          # [outputs] of the output channels in the gradient


cdef Py_ssize_t clamp(Py_ssize_t value, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    return max(low, min(value, high))


cdef void add_up(const Local *job, const Cut *cut, Py_ssize_t image, Py_ssize_t images, Py_ssize_t channel, Py_ssize_t phase,
                 Py_ssize_t row0, Py_ssize_t rows, Py_ssize_t w0, Py_ssize_t w1, Py_ssize_t first, Py_ssize_t last,
                 const char *planes) noexcept nogil:
    """The planes (images, KW, rows, last - first) into the image's columns w0 ... w1 - 1."""
    cdef Py_ssize_t n, r, kw, low, high, shift, pitch = last - first
    cdef char *row
    for n in range(images):
        for r in range(rows):
            row = job.image + (((image + n) * job.groups * job.inputs + channel) * job.H
                               + (row0 + r) * job.stride_h + phase) * job.W * job.itemsize
            job.kernel.fill(w1 - w0, 0, row + w0 * job.itemsize)
            for kw in range(job.KW):
                shift = kw * job.dil_w - job.pad_w
                low = clamp(ceil_div(w0 - shift, job.stride_w), first, last)
                high = clamp(ceil_div(w1 - shift, job.stride_w), low, last)
                job.kernel.add_strided(high - low, planes + (((n * job.KW + kw) * rows + r) * pitch + low - first) * job.itemsize, 1,
                                       row + (low * job.stride_w + shift) * job.itemsize, job.stride_w)


cdef void run_task(const Local *job, const Cut *cut, Py_ssize_t task, char *planes) noexcept nogil:
    cdef Py_ssize_t pixels = job.OH * job.OW, taps = job.KH * job.KW, itemsize = job.itemsize, most_rows = job.kernel.local_rows
    cdef Py_ssize_t w0 = task % cut.column_blocks * cut.width, w1 = min(w0 + cut.width, job.W)
    cdef Py_ssize_t row0 = task // cut.column_blocks % cut.row_blocks * cut.height, phase, channel, image, images
    cdef Py_ssize_t rows, first, last, shift, low, high, run, at, kh, kw, o, p, step
    cdef fc_local tile
    task = task // cut.column_blocks // cut.row_blocks
    phase = task % cut.phases
    channel = task // cut.phases % (job.groups * job.inputs)
    image = task // cut.phases // (job.groups * job.inputs) * cut.images
    images = min(cut.images, job.images - image)
    rows = min(cut.height, ceil_div(job.H - phase, job.stride_h) - row0)         # the last phases may lack the last row
    if rows <= 0:
        return
    first, last = 0, job.OW
    if cut.column_blocks > 1:            # then there is one row
        first = clamp(ceil_div(w0 + job.pad_w - (job.KW - 1) * job.dil_w, job.stride_w), 0, job.OW)
        last = clamp(ceil_div(w1 + job.pad_w, job.stride_w), first, job.OW)
    tile.images = images
    tile.weights_row, tile.weights_tap = pixels, job.inputs * taps * pixels
    tile.source_image = job.groups * job.outputs * pixels
    tile.sums_row = rows * (last - first)
    tile.sums_image = job.KW * tile.sums_row
    job.kernel.fill(images * tile.sums_image, 0, planes)
    step = pixels_at_once(job, images)
    for kh in range(job.KH):
        shift = phase + job.pad_h - kh * job.dil_h
        if shift % job.stride_h != 0:
            continue
        shift = shift // job.stride_h if shift >= 0 else -(-shift // job.stride_h)       # row r is reached from row r + shift of the output
        low, high = max(row0, -shift), min(row0 + rows, job.OH - shift)
        run, at = (high - low) * (last - first), (low + shift) * job.OW + first
        for p from 0 <= p < run by step:
            tile.count = min(step, run - p)
            tile.source = job.result + ((image * job.groups + channel // job.inputs) * job.outputs * pixels + at + p) * itemsize
            for kw from 0 <= kw < job.KW by most_rows:
                tile.sums = planes + (kw * tile.sums_row + (low - row0) * (last - first) + p) * itemsize
                for o from 0 <= o < job.outputs by job.kernel.local_taps:
                    tile.offsets = cut.offsets + o
                    tile.weights = job.weights + (
                        (((channel // job.inputs * job.outputs + o) * job.inputs + channel % job.inputs) * taps + kh * job.KW + kw) * pixels
                        + at + p) * itemsize
                    job.kernel.local_tile(&tile, min(most_rows, job.KW - kw), min(job.kernel.local_taps, job.outputs - o))
    add_up(job, cut, image, images, channel, phase, row0, rows, w0, w1, first, last, planes)


cdef void cut_up(const Local *job, Cut *cut) noexcept nogil:
    """Tasks whose planes, and whose part of the gradient, stay in the cache."""
    cdef Py_ssize_t grid = ceil_div(job.H, job.stride_h), parts, row
    cut.images = min(job.images, IMAGES)
    cut.phases = min(job.stride_h, job.H)
    parts = ceil_div(job.wanted, ceil_div(job.images, cut.images) * job.groups * job.inputs * cut.phases)
    cut.height, cut.width = ceil_div(grid, min(parts, grid)), job.W
    if job.W > LONG_ROW or parts > grid:
        cut.height = 1
        cut.width = clamp(ceil_div(job.W, ceil_div(parts, grid)), min(job.W, max(LONG_ROW // 8, 4 * job.KW * job.dil_w)),
                          max(LONG_ROW, 4 * job.KW * job.dil_w))
    row = max(job.KW, job.outputs) * min(job.OW, cut.width // job.stride_w + 1) * job.itemsize
    cut.height = clamp(CACHE_BYTES // (cut.images * row), 1, cut.height)
    cut.images = clamp(CACHE_BYTES // (cut.height * row), min(cut.images, 4), cut.images)
    cut.image_blocks, cut.row_blocks, cut.column_blocks = (
        ceil_div(job.images, cut.images), ceil_div(grid, cut.height), ceil_div(job.W, cut.width))
    cut.most = job.OW
    if cut.column_blocks > 1:
        cut.most = min(job.OW, (cut.width + (job.KW - 1) * job.dil_w) // job.stride_w + 1)


cdef int local_input(const Local *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Cut cut
    cdef Py_ssize_t tasks, task, o, a_thread
    cdef int threads
    cdef char *workspace
    cut_up(job, &cut)
    tasks = cut.image_blocks * job.groups * job.inputs * cut.phases * cut.row_blocks * cut.column_blocks
    threads = <int> min(job.threads, tasks)
    a_thread = ceil_to(cut.images * job.KW * cut.height * cut.most * job.itemsize, 64)
    cut.offsets = <Py_ssize_t *> allocate(job.outputs * sizeof(Py_ssize_t))
    workspace = <char *> allocate(threads * a_thread)
    if cut.offsets == NULL or workspace == NULL:
        release(cut.offsets)
        release(workspace)
        return -1
    for o in range(job.outputs):
        cut.offsets[o] = o * job.OH * job.OW
    if threads == 1:                     # a team of one would cost as much as a small layer
        note_team()
        for task in range(tasks):
            run_task(job, &cut, task, workspace)
    else:
        with parallel(num_threads=threads):
            note_team()
            for task in prange(tasks, schedule="static"):
                run_task(job, &cut, task, workspace + threadid() * a_thread)
    release(workspace)
    release(cut.offsets)
    return 0
