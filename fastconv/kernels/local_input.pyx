"""The gradient of a locally connected layer's input: gathered by the input's rows, so that no two tasks write to the same pixel.

    task: some rows of some channels of some images, the rows being alike modulo the stride: the same rows of taps reach them
      for OUTPUTS output channels: pack the rows of the gradient that reach them
        for each row of taps: local_tile over the taps and output channels, into a plane of sums for each column of taps
      for each row of the image: the planes' rows, shifted and spread by the stride, are added up

A plane lies as the output does, so the pixels of several rows are neighbours there too. The order of the terms, OUTPUTS and how many
channels a task takes with it follow from the layer alone.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy

from fastconv.kernels.local cimport IMAGES, apart, pixels_at_once
from fastconv.kernels.runtime cimport allocate, enter_team, fc_local, leave_team, release
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef enum:
    CACHE_BYTES = 256 * 1024     # a part of the second-level cache
    LONG_ROW = 2048              # pixels; longer rows are cut
    OUTPUTS = 32
    TAPS = 16                    # channels of small filters share a packed gradient, so that so many taps read it

cdef struct Cut:
    Py_ssize_t images, channels, height, width   # of one task: rows of a phase, columns of the image
    Py_ssize_t image_blocks, channel_blocks, row_blocks, column_blocks, phases
    Py_ssize_t most              # columns of the output that a task may need
    Py_ssize_t reach             # and rows of the output beyond its own
    Py_ssize_t planes_image, gradient_image      # elements, at most

cdef struct Part:                # what a task is about
    Py_ssize_t image, images, channel, channels, phase, row, rows, w0, w1
    Py_ssize_t first, last       # columns of the output
    Py_ssize_t plane, planes_image


cdef Py_ssize_t clamp(Py_ssize_t value, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    return max(low, min(value, high))


cdef Py_ssize_t floor_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return -ceil_div(-a, b)


cdef void add_up(const Local *job, const Part *part, const char *planes) noexcept nogil:
    """The planes (images, channels, KW, rows, last - first) into the image's columns w0 ... w1 - 1."""
    cdef Py_ssize_t n, c, r, kw, low, high, shift, pitch = part.last - part.first
    cdef char *row
    for n in range(part.images):
        for c in range(part.channels):
            for r in range(part.rows):
                row = job.image + (((part.image + n) * job.groups * job.inputs + part.channel + c) * job.H
                                   + (part.row + r) * job.stride_h + part.phase) * job.W * job.itemsize
                job.kernel.fill(part.w1 - part.w0, 0, row + part.w0 * job.itemsize)
                for kw in range(job.KW):
                    shift = kw * job.dil_w - job.pad_w
                    low = clamp(ceil_div(part.w0 - shift, job.stride_w), part.first, part.last)
                    high = clamp(ceil_div(part.w1 - shift, job.stride_w), low, part.last)
                    job.kernel.add_strided(
                        high - low,
                        planes + (n * part.planes_image + (c * job.KW + kw) * part.plane + r * pitch + low - part.first) * job.itemsize, 1,
                        row + (low * job.stride_w + shift) * job.itemsize, job.stride_w)


cdef void run_tile(const Local *job, fc_local *tile, Py_ssize_t rows, char *weights, Py_ssize_t outputs, const Py_ssize_t *offsets,
                   char *sums) noexcept nogil:
    """`rows` planes from `outputs` channels of the gradient."""
    cdef Py_ssize_t most_rows = job.kernel.local_rows, i, o
    for i from 0 <= i < rows by most_rows:
        tile.start = tile.sums = sums + i * tile.sums_row * job.itemsize
        for o from 0 <= o < outputs by job.kernel.local_taps:
            tile.offsets = offsets + o
            tile.weights = weights + (i * tile.weights_row + o * tile.weights_tap) * job.itemsize
            job.kernel.local_tile(tile, min(most_rows, rows - i), min(job.kernel.local_taps, outputs - o))


cdef void gather(const Local *job, const Part *part, Py_ssize_t output, Py_ssize_t outputs, char *planes, char *gradient) noexcept nogil:
    """Adds what `outputs` channels from `output` on give to the planes."""
    cdef Py_ssize_t pixels = job.OH * job.OW, taps = job.KH * job.KW, itemsize = job.itemsize, pitch = part.last - part.first
    cdef Py_ssize_t group = part.channel // job.inputs, channel = part.channel % job.inputs
    cdef Py_ssize_t kh, shift, low, high, top = job.OH, bottom = 0, run, n, o, c, r, p, step, line
    cdef Py_ssize_t offsets[OUTPUTS]
    cdef char *source
    cdef char *target
    cdef char *weights
    cdef fc_local tile
    for kh in range(job.KH):
        shift = part.phase + job.pad_h - kh * job.dil_h
        if shift % job.stride_h == 0:
            top = min(top, max(part.row + floor_div(shift, job.stride_h), 0))
            bottom = max(bottom, min(part.row + part.rows + floor_div(shift, job.stride_h), job.OH))
    if top >= bottom:
        return
    line = ceil_to((bottom - top) * pitch, job.kernel.lanes)
    tile.images = part.images
    tile.weights_row, tile.weights_tap = pixels, job.inputs * taps * pixels
    tile.source_image = apart(job, outputs * line)
    tile.sums_row = tile.start_row = part.plane
    tile.sums_image = tile.start_image = part.planes_image
    for o in range(outputs):
        offsets[o] = o * line
        for n in range(part.images):
            target = gradient + (n * tile.source_image + o * line) * itemsize
            source = job.result + ((((part.image + n) * job.groups + group) * job.outputs + output + o) * pixels
                                   + top * job.OW + part.first) * itemsize
            if pitch == job.OW:
                memcpy(target, source, (bottom - top) * pitch * itemsize)
            else:
                for r in range(bottom - top):
                    memcpy(target + r * pitch * itemsize, source + r * job.OW * itemsize, pitch * itemsize)
    step = pixels_at_once(job, part.images)
    for kh in range(job.KH):
        shift = part.phase + job.pad_h - kh * job.dil_h
        if shift % job.stride_h != 0:
            continue
        shift = floor_div(shift, job.stride_h)                   # row r is reached from row r + shift of the output
        low, high = max(part.row, -shift), min(part.row + part.rows, job.OH - shift)
        run = (high - low) * pitch
        for p from 0 <= p < run by step:
            tile.count = min(step, run - p)
            tile.source = gradient + ((low + shift - top) * pitch + p) * itemsize
            weights = job.weights + ((((group * job.outputs + output) * job.inputs + channel) * taps + kh * job.KW) * pixels
                                     + (low + shift) * job.OW + part.first + p) * itemsize
            if job.KH == 1:                      # then the planes of all channels follow each other among the weights too
                run_tile(job, &tile, part.channels * job.KW, weights, outputs, offsets, planes + ((low - part.row) * pitch + p) * itemsize)
            else:
                for c in range(part.channels):
                    run_tile(job, &tile, job.KW, weights + c * taps * pixels * itemsize, outputs, offsets,
                             planes + (c * job.KW * part.plane + (low - part.row) * pitch + p) * itemsize)


cdef void run_task(const Local *job, const Cut *cut, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef Part part
    cdef Py_ssize_t o
    cdef char *gradient = workspace + cut.images * cut.planes_image * job.itemsize
    part.w0 = task % cut.column_blocks * cut.width
    part.w1 = min(part.w0 + cut.width, job.W)
    part.row = task // cut.column_blocks % cut.row_blocks * cut.height
    task = task // cut.column_blocks // cut.row_blocks
    part.phase = task % cut.phases
    part.channel = task // cut.phases % cut.channel_blocks * cut.channels
    part.channels = min(cut.channels, job.inputs - part.channel)
    task = task // cut.phases // cut.channel_blocks
    part.channel += task % job.groups * job.inputs
    part.image = task // job.groups * cut.images
    part.images = min(cut.images, job.images - part.image)
    part.rows = min(cut.height, ceil_div(job.H - part.phase, job.stride_h) - part.row)   # the last phases may lack the last row
    if part.rows <= 0:
        return
    part.first, part.last = 0, job.OW
    if cut.column_blocks > 1:            # then there is one row
        part.first = clamp(ceil_div(part.w0 + job.pad_w - (job.KW - 1) * job.dil_w, job.stride_w), 0, job.OW)
        part.last = clamp(ceil_div(part.w1 + job.pad_w, job.stride_w), part.first, job.OW)
    part.plane = ceil_to(part.rows * (part.last - part.first), job.kernel.lanes)
    part.planes_image = apart(job, part.channels * job.KW * part.plane)
    job.kernel.fill(part.images * part.planes_image, 0, workspace)
    for o from 0 <= o < job.outputs by OUTPUTS:
        gather(job, &part, o, min(OUTPUTS, job.outputs - o), workspace, gradient)
    add_up(job, &part, workspace)


cdef void measure(const Local *job, Cut *cut) noexcept nogil:
    cdef Py_ssize_t lanes = job.kernel.lanes, rows = min(job.OH, cut.height + cut.reach)
    cut.most = job.OW
    if cut.width < job.W:
        cut.most = min(job.OW, (cut.width + (job.KW - 1) * job.dil_w) // job.stride_w + 1)
    cut.planes_image = apart(job, cut.channels * job.KW * ceil_to(cut.height * cut.most, lanes))
    cut.gradient_image = apart(job, min(OUTPUTS, job.outputs) * ceil_to(rows * cut.most, lanes))


cdef void cut_up(const Local *job, Cut *cut) noexcept nogil:
    """Tasks whose planes and part of the gradient stay in the cache."""
    cdef Py_ssize_t grid = ceil_div(job.H, job.stride_h), least = max(LONG_ROW // 16, 4 * (job.KW - 1) * job.dil_w), parts
    cut.images, cut.phases = min(job.images, IMAGES), min(job.stride_h, job.H)
    cut.channels = max(1, min(job.inputs, TAPS // (job.KH * job.KW)))
    cut.channel_blocks = ceil_div(job.inputs, cut.channels)
    cut.reach = (job.KH - 1) * job.dil_h // job.stride_h
    parts = ceil_div(job.wanted, ceil_div(job.images, cut.images) * job.groups * cut.channel_blocks * cut.phases)
    cut.height, cut.width = ceil_div(grid, min(parts, grid)), job.W
    if job.OW > LONG_ROW or parts > grid:
        cut.height = 1
        cut.width = min(job.W, clamp(ceil_div(job.W, ceil_div(parts, grid)), least, max(least, LONG_ROW * job.stride_w)))
    measure(job, cut)
    while cut.images * (cut.planes_image + cut.gradient_image) * job.itemsize > CACHE_BYTES:
        if cut.height > max(1, cut.reach // 2):
            cut.height = ceil_div(cut.height, 2)
        elif cut.images > 1:
            cut.images = ceil_div(cut.images, 2)
        elif cut.height > 1:
            cut.height = ceil_div(cut.height, 2)
        elif cut.width > least:
            cut.width = max(least, cut.width // 2)
        else:
            break
        measure(job, cut)
    cut.image_blocks, cut.row_blocks, cut.column_blocks = (
        ceil_div(job.images, cut.images), ceil_div(grid, cut.height), ceil_div(job.W, cut.width))


cdef int local_input(const Local *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Cut cut
    cdef Py_ssize_t tasks, task, a_thread
    cdef int threads
    cdef unsigned int mode = 0
    cdef char *workspace
    cut_up(job, &cut)
    tasks = cut.image_blocks * job.groups * cut.channel_blocks * cut.phases * cut.row_blocks * cut.column_blocks
    threads = <int> min(job.threads, tasks)
    a_thread = ceil_to(cut.images * (cut.planes_image + cut.gradient_image) * job.itemsize, 64)
    workspace = <char *> allocate(threads * a_thread)
    if workspace == NULL:
        return -1
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            run_task(job, &cut, task, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                run_task(job, &cut, task, workspace + threadid() * a_thread)
            leave_team(mode)
    release(workspace)
    return 0
