"""Two-dimensional convolution: forward, and the gradients of input, weight and bias."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.correlation cimport Correlation, correlate, packed_size
from fastconv.kernels.runtime cimport allocate, fc_kernels, kernels, note_team, release, threads_for
from fastconv.kernels.slab cimport axis_release, axis_start, ceil_div
from fastconv.kernels.winograd cimport Winograd, pack_winograd, winograd, winograd_size
from fastconv.kernels.weight_gradient cimport WeightGradient, weight_gradient


cdef void pack_weights(const Correlation *job, const char *weights, Py_ssize_t row_stride, Py_ssize_t group_stride,
                       const Py_ssize_t *offsets, char *packed) noexcept nogil:
    """(groups, outputs, depth) into the order of the tiles. offsets: of each step of the depth, or NULL where it is contiguous."""
    cdef Py_ssize_t tile_rows = job.kernel.tile_rows
    cdef Py_ssize_t blocks = (job.outputs + tile_rows - 1) // tile_rows
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t i, m, rows
    cdef const char *source
    cdef char *target
    cdef int threads = threads_for(<double> job.groups * job.outputs * depth)
    with parallel(num_threads=threads):
        for i in prange(job.groups * blocks, schedule="static"):
            m = i % blocks * tile_rows
            rows = min(tile_rows, job.outputs - m)
            source = weights + (i // blocks * group_stride + m * row_stride) * job.itemsize
            target = packed + i * tile_rows * depth * job.itemsize
            if offsets == NULL:
                job.kernel.pack_rows(depth, rows, tile_rows, source, row_stride, target)
            else:
                job.kernel.pack_gather(depth, rows, tile_rows, source, row_stride, offsets, target)


cdef int forward(Correlation *job, const char *weights) noexcept nogil:
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef char *packed = <char *> allocate(packed_size(job) * job.itemsize)
    cdef int status = -1
    if packed != NULL:
        pack_weights(job, weights, depth, job.outputs * depth, NULL, packed)
        job.weights = packed
        status = correlate(job)
    release(packed)
    return status


def conv2d_forward(input, weight, bias, output, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                   Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array x, w, b, y
    cdef Correlation job
    cdef Py_ssize_t t
    cdef int status = -1
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    job.bias = NULL
    if bias is not None:
        view(bias, &b)
        job.bias = b.data
    job.kernel = kernels(x.itemsize)
    job.itemsize = x.itemsize
    job.images, job.groups = x.shape[0], groups
    job.channels, job.outputs = w.shape[1], w.shape[0] // groups
    job.source, job.output = x.data, y.data
    job.height, job.width = y.shape[2], y.shape[3]
    job.grid_rows, job.grid_columns = y.shape[2], y.shape[3]
    job.row0, job.column0, job.row_step, job.column_step = 0, 0, 1, 1
    job.rows.offset = job.columns.offset = NULL
    with nogil:
        if (axis_start(&job.rows, x.shape[2], stride_h, w.shape[2]) == 0
                and axis_start(&job.columns, x.shape[3], stride_w, w.shape[3]) == 0):
            for t in range(w.shape[2]):
                job.rows.offset[t] = t * dil_h - pad_h
            for t in range(w.shape[3]):
                job.columns.offset[t] = t * dil_w - pad_w
            status = forward(&job, w.data)
        axis_release(&job.rows)
        axis_release(&job.columns)
    if status != 0:
        raise MemoryError("conv2d: no memory for the packed weights or the workspace")


cdef Py_ssize_t phase_taps(Py_ssize_t kernel, Py_ssize_t dilation, Py_ssize_t stride, Py_ssize_t place,
                           Py_ssize_t *tap, Py_ssize_t *offset) noexcept nogil:
    """The taps that reach the input positions `place` modulo the stride (padding added), and where they read the gradient."""
    cdef Py_ssize_t t, count = 0
    for t in range(kernel):
        if (place - t * dilation) % stride == 0:
            if tap != NULL:
                tap[count] = t
                offset[count] = (place - t * dilation) // stride
            count += 1
    return count


cdef int backward_input_phase(Correlation *job, const Array *w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t stride_h, Py_ssize_t stride_w,
                              Py_ssize_t place_h, Py_ssize_t place_w, Py_ssize_t *scratch) noexcept nogil:
    """One phase: the input pixels row0 + i * stride_h, column0 + j * stride_w get a stride-1 correlation of the gradient."""
    cdef Py_ssize_t KH = w.shape[2], KW = w.shape[3]
    cdef Py_ssize_t *tap_h = scratch
    cdef Py_ssize_t *tap_w = scratch + KH
    cdef Py_ssize_t *offsets = NULL
    cdef Py_ssize_t c, i, j, k = 0, gathered = w.shape[1] * KH * KW
    cdef char *packed = NULL
    cdef int status = -1
    job.rows.taps = phase_taps(KH, dil_h, stride_h, place_h, tap_h, job.rows.offset)
    job.columns.taps = phase_taps(KW, dil_w, stride_w, place_w, tap_w, job.columns.offset)
    if job.rows.taps == 0 or job.columns.taps == 0:
        return 0                       # nothing reaches these pixels: they keep their zeros
    offsets = <Py_ssize_t *> allocate(job.channels * job.rows.taps * job.columns.taps * sizeof(Py_ssize_t))
    packed = <char *> allocate(packed_size(job) * job.itemsize)
    if offsets != NULL and packed != NULL:
        for c in range(job.channels):
            for i in range(job.rows.taps):
                for j in range(job.columns.taps):
                    offsets[k] = c * gathered + tap_h[i] * KW + tap_w[j]
                    k += 1
        pack_weights(job, w.data, KH * KW, job.channels * gathered, offsets, packed)
        job.weights = packed
        status = correlate(job)
    release(offsets)
    release(packed)
    return status


def conv2d_backward_input(grad_output, weight, grad_input, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                          Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array g, w, x
    cdef Correlation job, phase
    cdef Py_ssize_t a, b
    cdef Py_ssize_t *scratch = NULL
    cdef int status = 0
    view(grad_output, &g)
    view(weight, &w)
    view(grad_input, &x, True)
    job.kernel = kernels(g.itemsize)
    job.itemsize = g.itemsize
    job.images, job.groups = g.shape[0], groups
    job.channels, job.outputs = w.shape[0] // groups, w.shape[1]
    job.source, job.output, job.bias = g.data, x.data, NULL
    job.height, job.width = x.shape[2], x.shape[3]
    job.row_step, job.column_step = stride_h, stride_w
    job.rows.offset = job.columns.offset = NULL
    with nogil:
        scratch = <Py_ssize_t *> allocate((w.shape[2] + w.shape[3]) * sizeof(Py_ssize_t))
        if (scratch == NULL or axis_start(&job.rows, g.shape[2], 1, w.shape[2]) != 0
                or axis_start(&job.columns, g.shape[3], 1, w.shape[3]) != 0):
            status = -1
        elif stride_h > 1 or stride_w > 1 or job.channels == 0 or g.size == 0:
            job.kernel.fill(x.size, 0, x.data)
        for a in range(min(stride_h, job.height)):
            for b in range(min(stride_w, job.width)):
                if status == 0 and job.channels > 0 and g.size > 0:
                    phase = job
                    phase.row0, phase.column0 = a, b
                    phase.grid_rows = ceil_div(job.height - a, stride_h)
                    phase.grid_columns = ceil_div(job.width - b, stride_w)
                    status = backward_input_phase(&phase, &w, dil_h, dil_w, stride_h, stride_w, a + pad_h, b + pad_w, scratch)
        release(scratch)
        axis_release(&job.rows)
        axis_release(&job.columns)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the packed weights or the workspace")


def conv2d_backward_weight(grad_output, input, grad_weight, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                           Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array g, x, w
    cdef WeightGradient job
    cdef Py_ssize_t t
    cdef int status = -1
    view(grad_output, &g)
    view(input, &x)
    view(grad_weight, &w, True)
    job.kernel = kernels(g.itemsize)
    job.itemsize = g.itemsize
    job.images, job.groups = x.shape[0], groups
    job.channels, job.outputs = w.shape[1], w.shape[0] // groups
    job.source, job.gradient, job.weight = x.data, g.data, w.data
    job.grid_rows, job.grid_columns = g.shape[2], g.shape[3]
    job.rows.offset = job.columns.offset = NULL
    with nogil:
        if (axis_start(&job.rows, x.shape[2], stride_h, w.shape[2]) == 0
                and axis_start(&job.columns, x.shape[3], stride_w, w.shape[3]) == 0):
            for t in range(w.shape[2]):
                job.rows.offset[t] = t * dil_h - pad_h
            for t in range(w.shape[3]):
                job.columns.offset[t] = t * dil_w - pad_w
            status = weight_gradient(&job)
        axis_release(&job.rows)
        axis_release(&job.columns)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the workspace")


def conv2d_backward_bias(grad_output, grad_bias):
    cdef Array g, b
    cdef Py_ssize_t c, n, channels, pixels
    cdef double total
    view(grad_output, &g)
    view(grad_bias, &b, True)
    cdef const char *plane
    cdef const fc_kernels *kernel = kernels(g.itemsize)
    channels, pixels = g.shape[1], g.shape[2] * g.shape[3]
    with nogil, parallel(num_threads=threads_for(g.size)):
        note_team()
        for c in prange(channels, schedule="static"):
            total = 0
            for n in range(g.shape[0]):
                plane = g.data + (n * channels + c) * pixels * g.itemsize
                total = kernel.sum(pixels, plane, total)
            kernel.fill(1, total, b.data + c * b.itemsize)


def winograd_forward(input, weight, bias, output, Py_ssize_t pad_h, Py_ssize_t pad_w, int size, packed=None):
    cdef Array x, w, b, y
    cdef Winograd job
    cdef char *u
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    job.bias = NULL
    if bias is not None:
        view(bias, &b)
        job.bias = b.data
    job.kernel = kernels(4)
    job.size = size
    job.images, job.channels, job.outputs = x.shape[0], x.shape[1], w.shape[0]
    job.H, job.W, job.OH, job.OW, job.pad_h, job.pad_w = x.shape[2], x.shape[3], y.shape[2], y.shape[3], pad_h, pad_w
    job.source, job.output, job.relu = x.data, y.data, 0
    n = winograd_size(job.kernel, size, job.channels, job.outputs)
    global keep
    if packed is None:
        keep = bytearray(n * 4 + 64)
    cdef unsigned char[::1] k = keep
    u = <char *> ((<Py_ssize_t> &k[0] + 63) // 64 * 64)
    if packed is None:
        pack_winograd(&job, w.data, job.channels * 9, 9, 0, u)
    job.weights = u
    d = bytearray(job.images)
    cdef unsigned char[::1] dd = d
    job.doubtful = <char *> &dd[0]
    with nogil:
        winograd(&job)
    return d
