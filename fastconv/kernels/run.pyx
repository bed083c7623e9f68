"""Running a prepared layer: the driver of its dataflow, or (for the gradient of a strided layer's input) one run a phase."""
from cython.parallel cimport parallel, prange
from libc.string cimport memset

from fastconv.kernels.channels cimport Channels, channels
from fastconv.kernels.correlation cimport Correlation, correlate, packed_size
from fastconv.kernels.dataflow cimport CHANNELS, FILTERS, PANELS, Shape, line_tile, panels_pay, winograd_tile
from fastconv.kernels.filters cimport Filters, filters
from fastconv.kernels.layer cimport (
    Layer, describe_channels, describe_correlation, describe_winograd, pack_weights, prepare, start_axes, unpack,
)
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_release, axis_start, ceil_div
from fastconv.kernels.winograd cimport Winograd, winograd


cdef int run_direct(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    cdef Correlation job
    cdef int status = -1
    describe_correlation(layer, &job)
    job.images, job.source, job.output = images, source, output
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = correlate(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_channels(const Layer *layer, Py_ssize_t images, const char *source, char *output, char *doubtful) noexcept nogil:
    cdef Channels job
    cdef int status = -1
    describe_channels(layer, &job)
    job.images, job.source, job.output, job.doubtful = images, source, output, doubtful
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = channels(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_filters(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Filters job
    cdef int status = -1
    job.kernel, job.itemsize, job.images, job.groups, job.outputs = layer.kernel, shape.itemsize, images, shape.groups, shape.outputs
    job.source, job.bias, job.relu, job.output = source, layer.bias, layer.relu, output
    job.weights = layer.weights
    if layer.shape.transposed:
        job.weights = layer.packed
    job.OH, job.OW = shape.OH, shape.OW
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = filters(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_tiles(const Layer *layer, Py_ssize_t images, const char *source, char *output, char *doubtful) noexcept nogil:
    cdef Winograd job
    if line_tile(layer.dataflow) > 0:
        return run_channels(layer, images, source, output, doubtful)
    describe_winograd(layer, &job)
    job.images, job.source.data, job.output.data, job.doubtful = images, <char *> source, output, doubtful
    return winograd(&job)


cdef int run_winograd(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    """An image with a result that is not finite is computed again directly: the transforms spread infinities and NaNs."""
    cdef const Shape *shape = &layer.shape
    cdef Layer direct
    cdef Py_ssize_t n
    cdef int status = -1
    cdef char *doubtful = <char *> allocate(images)
    direct.packed = direct.packed_bias = direct.phases = NULL
    if doubtful != NULL:
        memset(doubtful, 0, images)
        status = run_tiles(layer, images, source, output, doubtful)
        for n in range(images):
            if status == 0 and doubtful[n]:
                if direct.packed == NULL:
                    direct = layer[0]
                    status = prepare(&direct, PANELS, True)
                if status == 0:
                    status = run(&direct, 1, source + n * shape.channels * shape.groups * shape.H * shape.W * 4,
                                 output + n * shape.outputs * shape.groups * shape.OH * shape.OW * 4)
    unpack(&direct)
    release(doubtful)
    return status


cdef int run(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    """-1 when memory is out."""
    if images * layer.shape.OH * layer.shape.OW * layer.shape.outputs == 0:
        return 0
    if layer.dataflow == FILTERS:
        return run_filters(layer, images, source, output)
    if layer.dataflow == CHANNELS:
        return run_channels(layer, images, source, output, NULL)
    if winograd_tile(layer.dataflow) > 0 or line_tile(layer.dataflow) > 0:
        return run_winograd(layer, images, source, output)
    if layer.shape.transposed and layer.shape.stride_h * layer.shape.stride_w > 1:
        return run_phases(layer, images, source, output)
    return run_direct(layer, images, source, output)


cdef double bias_value(const Layer *layer, Py_ssize_t output) noexcept nogil:
    """Of an output channel; zero where there is no bias."""
    if layer.bias == NULL:
        return 0
    return (<double *> layer.bias)[output] if layer.shape.itemsize == 8 else (<float *> layer.bias)[output]


cdef void fill_bias(const Layer *layer, Py_ssize_t images, char *output) noexcept nogil:
    """Sums of nothing."""
    cdef Py_ssize_t outputs = layer.shape.groups * layer.shape.outputs, plane = layer.shape.OH * layer.shape.OW, i
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> images * outputs * plane)):
        mode = enter_team()
        for i in prange(images * outputs, schedule="static"):
            layer.kernel.fill(plane, bias_value(layer, i % outputs), output + i * plane * layer.shape.itemsize)
        leave_team(mode)


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


cdef bint reaches_all(Py_ssize_t kernel, Py_ssize_t dilation, Py_ssize_t stride) noexcept nogil:
    """Whether every position modulo the stride has a tap."""
    cdef Py_ssize_t place
    if kernel < stride:
        return False
    for place in range(stride):
        if phase_taps(kernel, dilation, stride, place, NULL, NULL) == 0:
            return False
    return True


cdef int run_phase(const Layer *layer, Py_ssize_t images, const char *gradient, char *output, Py_ssize_t place_h, Py_ssize_t place_w,
                   Py_ssize_t *scratch) noexcept nogil:
    """One phase of a strided layer: the pixels place_h + i * stride_h, place_w + j * stride_w get a stride-1 correlation."""
    cdef const Shape *shape = &layer.shape
    cdef Correlation job
    cdef Py_ssize_t *tap_h = scratch
    cdef Py_ssize_t *tap_w = scratch + shape.KH
    cdef Py_ssize_t *offsets = NULL
    cdef Py_ssize_t c, i, j, k = 0, filter = shape.outputs * shape.KH * shape.KW
    cdef char *packed = NULL
    cdef int status = -1
    describe_correlation(layer, &job)
    job.images, job.source, job.output = images, gradient, output
    job.row0, job.column0, job.row_step, job.column_step = place_h, place_w, shape.stride_h, shape.stride_w
    job.grid_rows, job.grid_columns = ceil_div(shape.OH - place_h, shape.stride_h), ceil_div(shape.OW - place_w, shape.stride_w)
    job.panels = panels_pay(shape, job.grid_rows, job.grid_columns)
    job.rows.offset = job.columns.offset = NULL
    if axis_start(&job.rows, shape.H, 1, shape.KH) == 0 and axis_start(&job.columns, shape.W, 1, shape.KW) == 0:
        job.rows.taps = phase_taps(shape.KH, shape.dil_h, shape.stride_h, place_h + shape.pad_h, tap_h, job.rows.offset)
        job.columns.taps = phase_taps(shape.KW, shape.dil_w, shape.stride_w, place_w + shape.pad_w, tap_w, job.columns.offset)
        if job.rows.taps == 0 or job.columns.taps == 0:
            status = 0                 # nothing reaches these pixels: they keep what they hold
        else:
            offsets = <Py_ssize_t *> allocate(job.channels * job.rows.taps * job.columns.taps * sizeof(Py_ssize_t))
            packed = <char *> allocate(packed_size(&job) * job.itemsize)
    if offsets != NULL and packed != NULL:
        for c in range(job.channels):
            for i in range(job.rows.taps):
                for j in range(job.columns.taps):
                    offsets[k] = c * filter + tap_h[i] * shape.KW + tap_w[j]
                    k += 1
        pack_weights(&job, layer.weights, shape.KH * shape.KW, job.channels * filter, offsets, job.kernel.tile_rows, packed)
        job.weights = packed
        status = correlate(&job)
    release(offsets)
    release(packed)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_phases(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t *scratch = <Py_ssize_t *> allocate((shape.KH + shape.KW) * sizeof(Py_ssize_t))
    cdef Py_ssize_t a, b
    cdef int status = 0
    if scratch == NULL:
        return -1
    if not reaches_all(shape.KH, shape.dil_h, shape.stride_h) or not reaches_all(shape.KW, shape.dil_w, shape.stride_w):
        fill_bias(layer, images, output)
    for a in range(min(shape.stride_h, shape.OH)):
        for b in range(min(shape.stride_w, shape.OW)):
            if status == 0:
                status = run_phase(layer, images, gradient, output, a, b, scratch)
    release(scratch)
    return status
