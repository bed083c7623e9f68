"""Running a prepared layer: the driver of its dataflow, or (for the gradient of a strided layer's input) its phases."""
from cython.parallel cimport parallel, prange
from libc.string cimport memset

from fastconv.kernels.channels cimport Channels, channels
from fastconv.kernels.correlation cimport Correlation, correlate
from fastconv.kernels.dataflow cimport CHANNELS, FILTERS, PANELS, Shape, line_tile, winograd_tile
from fastconv.kernels.filters cimport Filters, filters
from fastconv.kernels.frames cimport frame_start
from fastconv.kernels.layer cimport Layer, describe_channels, describe_correlation, describe_winograd, prepare, start_axes, unpack
from fastconv.kernels.phases cimport phases_cover, run_phases
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_release
from fastconv.kernels.winograd cimport Winograd, winograd


cdef int run_direct(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    cdef Correlation job
    cdef int status = -1
    describe_correlation(layer, &job)
    job.images, job.source, job.output = images, source, output
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = correlate(&job, 1)
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
    job.channels, job.source_at, job.output_at = shape.channels, layer.source_at, layer.output_at
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
                    status = run(&direct, 1, source + frame_start(&layer.source_at, n, 0) * 4,
                                 output + frame_start(&layer.output_at, n, 0) * 4)
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
        if not phases_cover(&layer.shape):
            fill_bias(layer, images, output)
        return run_phases(layer, images, source, output)
    return run_direct(layer, images, source, output)


cdef double bias_value(const Layer *layer, Py_ssize_t output) noexcept nogil:
    """Of an output channel; zero where there is no bias."""
    if layer.bias == NULL:
        return 0
    return (<double *> layer.bias)[output] if layer.shape.itemsize == 8 else (<float *> layer.bias)[output]


cdef void fill_bias(const Layer *layer, Py_ssize_t images, char *output) noexcept nogil:
    """Sums of nothing."""
    cdef Py_ssize_t outputs = layer.shape.groups * layer.shape.outputs, plane = layer.shape.OH * layer.shape.OW, i, start
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> images * outputs * plane)):
        mode = enter_team()
        for i in prange(images * outputs, schedule="static"):
            start = (frame_start(&layer.output_at, i // outputs, i % outputs // layer.shape.outputs)
                     + i % layer.shape.outputs * layer.output_at.channel)
            layer.kernel.fill(plane, bias_value(layer, i % outputs), output + start * layer.shape.itemsize)
        leave_team(mode)
