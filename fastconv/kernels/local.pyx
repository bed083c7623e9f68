"""Locally connected layers: convolutions whose every output pixel has weights of its own. The output's pixels are in the lanes.

    weights (Cout, Cin / groups, KH, KW, OH, OW): a tap's weights lie along the pixels, as the results do and, in a slab, the source:
    everything is a product of whole vectors, whatever the number of channels or taps, and weights stream from memory as they lie

    forward     task: some pixels of some images; pack the source; local_tile over outputs and taps, terms in their order
    weights     task: some pixels of some channels; for blocks of images, in order, pack the source; local_weights
    input       local_input.pyx

The slab has a slot for each column of taps, in which the pixels of several rows are neighbours as they are in the output: rows shorter
than a vector waste no lanes. How tasks are cut changes no bits: each sum has one accumulator and its terms one order.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view, view_images
from fastconv.kernels.local cimport IMAGES, SUMS_BYTES, apart, describe, pixels_at_once
from fastconv.kernels.local_input cimport local_input
from fastconv.kernels.runtime cimport allocate, enter_team, fc_local, kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport (
    Axis, axis_layout, axis_measure, axis_release, axis_start, ceil_div, ceil_to, slab_channel, slab_pack, slab_plane, tap_offset,
)

cdef enum:
    SLAB_BYTES = 192 * 1024      # a part of the second-level cache
    LONG_ROW = 2048              # pixels; longer rows are cut
    TASK_VECTORS = 4             # of pixels: shorter tasks spend their time on the edges
    BIAS_PIECE = 4096

cdef struct Blocks:              # how the work is cut
    Axis rows, columns
    Py_ssize_t images, height, width, channels, outputs          # of one task, at most
    Py_ssize_t image_blocks, row_blocks, column_blocks, channel_blocks, output_blocks
    Py_ssize_t slab_image        # elements
    Py_ssize_t *offsets          # [channels * KH * KW] where the taps read a slab


cdef void lay_out(const Local *job, Blocks *blocks) noexcept nogil:
    axis_layout(&blocks.rows, blocks.height, False)
    axis_layout(&blocks.columns, blocks.width, blocks.height > 1)
    blocks.row_blocks, blocks.column_blocks = ceil_div(job.OH, blocks.height), ceil_div(job.OW, blocks.width)


cdef int start(const Local *job, Blocks *blocks, Py_ssize_t others) noexcept nogil:
    """Cuts the pixels and lays out the slab, where `others` blocks of something else are tasks too; -1 when memory is out."""
    cdef Py_ssize_t lanes = job.kernel.lanes, parts, t
    blocks.rows.offset = blocks.columns.offset = blocks.offsets = NULL
    if axis_start(&blocks.rows, job.H, job.stride_h, job.KH) != 0 or axis_start(&blocks.columns, job.W, job.stride_w, job.KW) != 0:
        return -1
    for t in range(job.KH):
        blocks.rows.offset[t] = t * job.dil_h - job.pad_h
    for t in range(job.KW):
        blocks.columns.offset[t] = t * job.dil_w - job.pad_w
    axis_measure(&blocks.rows)
    axis_measure(&blocks.columns)
    blocks.images = min(job.images, IMAGES)
    parts = max(1, min(ceil_div(job.wanted, others), job.OH * job.OW // (TASK_VECTORS * lanes)))
    blocks.height, blocks.width = ceil_div(job.OH, min(parts, job.OH)), job.OW
    if job.OW > LONG_ROW or parts > job.OH:
        blocks.height, blocks.width = 1, min(LONG_ROW, ceil_to(ceil_div(job.OW, ceil_div(parts, job.OH)), lanes))
    lay_out(job, blocks)
    while blocks.images * slab_channel(&blocks.rows, &blocks.columns, lanes) * job.itemsize > SLAB_BYTES:
        if blocks.images > IMAGES // 2:
            blocks.images = ceil_div(blocks.images, 2)
        elif blocks.height > 1:
            blocks.height = ceil_div(blocks.height, 2)
        elif blocks.images > 1:
            blocks.images = ceil_div(blocks.images, 2)
        elif blocks.width > 4 * lanes:
            blocks.width = ceil_to(ceil_div(blocks.width, 2), lanes)
        else:
            break
        lay_out(job, blocks)
    blocks.image_blocks = ceil_div(job.images, blocks.images)
    return 0


cdef int finish(const Local *job, Blocks *blocks, Py_ssize_t channels) noexcept nogil:
    """As many channels a slab as there is room for, but no more than `channels`; -1 when memory is out."""
    cdef Py_ssize_t lanes = job.kernel.lanes, each = slab_channel(&blocks.rows, &blocks.columns, lanes), c, th, tw
    blocks.channels = max(1, min(channels, SLAB_BYTES // (blocks.images * each * job.itemsize)))
    blocks.channel_blocks = ceil_div(job.inputs, blocks.channels)
    blocks.slab_image = apart(job, blocks.channels * each)
    blocks.offsets = <Py_ssize_t *> allocate(blocks.channels * job.KH * job.KW * sizeof(Py_ssize_t))
    if blocks.offsets == NULL:
        return -1
    for c in range(blocks.channels):
        for th in range(job.KH):
            for tw in range(job.KW):
                blocks.offsets[(c * job.KH + th) * job.KW + tw] = c * each + tap_offset(
                    &blocks.rows, &blocks.columns, slab_plane(&blocks.rows, &blocks.columns, lanes), th, tw)
    return 0


cdef void stop(Blocks *blocks) noexcept nogil:
    release(blocks.offsets)
    axis_release(&blocks.rows)
    axis_release(&blocks.columns)


cdef void pack(const Local *job, const Blocks *blocks, Py_ssize_t image, Py_ssize_t images, Py_ssize_t channel, Py_ssize_t channels,
               Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns, char *slab) noexcept nogil:
    """What some pixels see of the `channels` channels from `channel` on, counted over all groups."""
    cdef Py_ssize_t n
    for n in range(images):
        slab_pack(job.kernel, job.itemsize, &blocks.rows, &blocks.columns,
                  job.image + ((image + n) * job.groups * job.inputs + channel) * job.H * job.W * job.itemsize,
                  channels, job.H * job.W, row, rows, column, columns, 0, slab + n * blocks.slab_image * job.itemsize)


cdef void forward_task(const Local *job, const Blocks *blocks, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef Py_ssize_t pixels = job.OH * job.OW, taps = job.KH * job.KW, itemsize = job.itemsize, most_rows = job.kernel.local_rows
    cdef Py_ssize_t column = task % blocks.column_blocks * blocks.width, columns = min(blocks.width, job.OW - column)
    cdef Py_ssize_t row = task // blocks.column_blocks % blocks.row_blocks * blocks.height, rows = min(blocks.height, job.OH - row)
    cdef Py_ssize_t first, last, group, image, images, o, c, channels, k, p, run = rows * columns, at = row * job.OW + column, depth, step
    cdef char *sums = workspace
    cdef char *zeros = workspace + SUMS_BYTES
    cdef char *slab = zeros + SUMS_BYTES
    cdef char *output
    cdef fc_local tile
    task = task // blocks.column_blocks // blocks.row_blocks
    first = task % blocks.output_blocks * blocks.outputs
    last = min(first + blocks.outputs, job.outputs)
    group = task // blocks.output_blocks % job.groups
    image = task // blocks.output_blocks // job.groups * blocks.images
    images = min(blocks.images, job.images - image)
    tile.images = images
    tile.weights_row, tile.weights_tap = job.inputs * taps * pixels, pixels
    tile.source_image = blocks.slab_image
    step = pixels_at_once(job, images)
    job.kernel.fill(step, 0, zeros)
    for c from 0 <= c < job.inputs by blocks.channels:
        channels = min(blocks.channels, job.inputs - c)
        pack(job, blocks, image, images, group * job.inputs + c, channels, row, rows, column, columns, slab)
        depth = channels * taps
        for p from 0 <= p < run by step:
            tile.count = min(step, run - p)
            tile.source = slab + p * itemsize
            for o from first <= o < last by most_rows:
                output = job.result + ((image * job.groups * job.outputs + group * job.outputs + o) * pixels + at + p) * itemsize
                tile.start, tile.start_row, tile.start_image = zeros, 0, 0
                if c > 0:
                    tile.start, tile.start_row, tile.start_image = output, pixels, job.groups * job.outputs * pixels
                elif job.bias != NULL:
                    tile.start, tile.start_row = job.bias + ((group * job.outputs + o) * pixels + at + p) * itemsize, pixels
                tile.sums, tile.sums_row, tile.sums_image = sums, step, most_rows * step
                for k from 0 <= k < depth by job.kernel.local_taps:
                    tile.weights = job.weights + (
                        ((group * job.outputs + o) * job.inputs + c) * taps * pixels + k * pixels + at + p) * itemsize
                    tile.offsets = blocks.offsets + k
                    if k + job.kernel.local_taps >= depth:
                        tile.sums, tile.sums_row, tile.sums_image = output, pixels, job.groups * job.outputs * pixels
                    job.kernel.local_tile(&tile, min(most_rows, last - o), min(job.kernel.local_taps, depth - k))
                    tile.start, tile.start_row, tile.start_image = sums, step, most_rows * step


cdef void weight_task(const Local *job, const Blocks *blocks, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef Py_ssize_t pixels = job.OH * job.OW, taps = job.KH * job.KW, itemsize = job.itemsize, most_rows = job.kernel.local_rows
    cdef Py_ssize_t column = task % blocks.column_blocks * blocks.width, columns = min(blocks.width, job.OW - column)
    cdef Py_ssize_t row = task // blocks.column_blocks % blocks.row_blocks * blocks.height, rows = min(blocks.height, job.OH - row)
    cdef Py_ssize_t group, image, images, outputs, n, o, c, channels, k, p, i, run = rows * columns, at = row * job.OW + column, depth, step
    cdef char *gradient = workspace
    cdef char *slab = workspace + 2 * SUMS_BYTES
    cdef fc_local tile
    task = task // blocks.column_blocks // blocks.row_blocks
    c = task % blocks.channel_blocks * blocks.channels
    group = task // blocks.channel_blocks
    channels = min(blocks.channels, job.inputs - c)
    depth = channels * taps
    tile.weights_row, tile.weights_tap = job.inputs * taps * pixels, pixels
    tile.source_image, tile.sums = blocks.slab_image, gradient
    for image from 0 <= image < job.images by blocks.images:
        images = min(blocks.images, job.images - image)
        pack(job, blocks, image, images, group * job.inputs + c, channels, row, rows, column, columns, slab)
        step = pixels_at_once(job, images)
        tile.images, tile.sums_row, tile.sums_image = images, step, most_rows * step
        for p from 0 <= p < run by step:
            tile.count = min(step, run - p)
            tile.source = slab + p * itemsize
            for o from 0 <= o < job.outputs by most_rows:
                outputs = min(most_rows, job.outputs - o)
                for n in range(images):
                    for i in range(outputs):
                        memcpy(gradient + (n * most_rows + i) * step * itemsize, job.result + (
                            ((image + n) * job.groups + group) * job.outputs * pixels + (o + i) * pixels + at + p) * itemsize,
                            tile.count * itemsize)
                for k from 0 <= k < depth by job.kernel.local_taps:
                    tile.weights = job.weights + (
                        ((group * job.outputs + o) * job.inputs + c) * taps * pixels + k * pixels + at + p) * itemsize
                    tile.offsets = blocks.offsets + k
                    job.kernel.local_weights(&tile, outputs, min(job.kernel.local_taps, depth - k), image > 0)


cdef int run_tasks(const Local *job, const Blocks *blocks, Py_ssize_t tasks, bint weights) noexcept nogil:
    """-1 when memory is out."""
    cdef Py_ssize_t a_thread = 2 * SUMS_BYTES + ceil_to((blocks.images * blocks.slab_image + 2 * job.kernel.lanes) * job.itemsize, 64), task
    cdef int threads = <int> min(job.threads, tasks)
    cdef char *workspace = <char *> allocate(threads * a_thread)
    cdef unsigned int mode = 0
    if workspace == NULL:
        return -1
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            if weights:
                weight_task(job, blocks, task, workspace)
            else:
                forward_task(job, blocks, task, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                if weights:
                    weight_task(job, blocks, task, workspace + threadid() * a_thread)
                else:
                    forward_task(job, blocks, task, workspace + threadid() * a_thread)
            leave_team(mode)
    release(workspace)
    return 0


cdef int forward(const Local *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t tasks
    cdef int status = start(job, &blocks, job.groups * ceil_div(job.images, min(job.images, IMAGES)))
    if status == 0:
        status = finish(job, &blocks, job.inputs)
    if status == 0:
        tasks = blocks.row_blocks * blocks.column_blocks * job.groups * blocks.image_blocks
        blocks.outputs = ceil_to(ceil_div(job.outputs, ceil_div(job.wanted, tasks)), job.kernel.local_rows)
        blocks.output_blocks = ceil_div(job.outputs, blocks.outputs)
        status = run_tasks(job, &blocks, tasks * blocks.output_blocks, False)
    stop(&blocks)
    return status


cdef int weight_gradient(const Local *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Blocks blocks
    cdef Py_ssize_t tasks
    cdef int status = start(job, &blocks, job.groups * job.inputs)
    if status == 0:
        tasks = blocks.row_blocks * blocks.column_blocks * job.groups
        status = finish(job, &blocks, ceil_div(job.inputs, ceil_div(job.wanted, tasks)))
        if status == 0:
            status = run_tasks(job, &blocks, tasks * blocks.channel_blocks, True)
    stop(&blocks)
    return status


cdef void bias_gradient(Py_ssize_t images, Py_ssize_t size, Py_ssize_t itemsize, const char *gradient, char *bias) noexcept nogil:
    cdef Py_ssize_t i
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> images * size)):
        mode = enter_team()
        for i in prange(ceil_div(size, BIAS_PIECE), schedule="static"):
            kernels(itemsize).sum_rows(images, min(BIAS_PIECE, size - i * BIAS_PIECE), gradient + i * BIAS_PIECE * itemsize, size,
                                       bias + i * BIAS_PIECE * itemsize)
        leave_team(mode)


cdef int view_weights(object array, Array *into, bint writable=False) except -1:
    """(Cout, Cin, KH, KW, OH, OW), or (Cout, Cin, K, OL), which counts as filters of one row."""
    view(array, into, writable)
    if into.ndim == 4:
        into.shape[5], into.shape[4], into.shape[3], into.shape[2] = into.shape[3], 1, into.shape[2], 1
    return 0


def local_forward(input, weight, bias, output, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                  Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array x, w, b, y
    cdef Local job
    cdef int status
    cdef unsigned int mode = 0
    view_images(input, &x)
    view_weights(weight, &w)
    view_images(output, &y, True)
    job = describe(&x, &w, &y, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    if bias is not None:
        view(bias, &b)
        job.bias = b.data
    with nogil:
        mode = enter_team()
        status = forward(&job)
        leave_team(mode)
    if status != 0:
        raise MemoryError("locally_connected: no memory for the workspace")


def local_backward_input(grad_output, weight, grad_input, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                         Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array g, w, x
    cdef Local job
    cdef int status
    cdef unsigned int mode = 0
    view_images(grad_output, &g)
    view_weights(weight, &w)
    view_images(grad_input, &x, True)
    job = describe(&x, &w, &g, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    with nogil:
        mode = enter_team()
        status = local_input(&job)
        leave_team(mode)
    if status != 0:
        raise MemoryError("locally_connected_backward: no memory for the workspace")


def local_backward_weight(grad_output, input, grad_weight, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                          Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array g, x, w
    cdef Local job
    cdef int status
    cdef unsigned int mode = 0
    view_images(grad_output, &g)
    view_images(input, &x)
    view_weights(grad_weight, &w, True)
    job = describe(&x, &w, &g, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    with nogil:
        mode = enter_team()
        status = weight_gradient(&job)
        leave_team(mode)
    if status != 0:
        raise MemoryError("locally_connected_backward: no memory for the workspace")


def local_backward_bias(grad_output, grad_bias):
    cdef Array g, b
    view(grad_output, &g)
    view(grad_bias, &b, True)
    with nogil:
        bias_gradient(g.shape[0], b.size, g.itemsize, g.data, b.data)
