"""The gradient of a convolution's weights: the driver of its dataflow."""
from fastconv.kernels.dataflow cimport PLANES, PRODUCT, TILES3, TILES4, Shape, choose_weights, winograd_taps
from fastconv.kernels.depthwise cimport depthwise_weight
from fastconv.kernels.layer cimport Layer, needs_phases, start_axes
from fastconv.kernels.planes cimport planes_channels, planes_of
from fastconv.kernels.runtime cimport allocate, release, winograd_allowed
from fastconv.kernels.slab cimport axis_release
from fastconv.kernels.weight_gradient cimport WeightGradient, weight_gradient
from fastconv.kernels.weight_product cimport weight_product
from fastconv.kernels.winograd cimport phase_filters
from fastconv.kernels.winograd_gradient cimport WinogradGradient, winograd_gradient


cdef int weight_gradient_by_tiles(const Layer *layer, int m, Py_ssize_t images, const char *gradient, const char *input,
                                  char *weight) noexcept nogil:
    """By Winograd's minimal filtering; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef WinogradGradient job
    cdef char *phases = NULL
    cdef int status
    job.kernel, job.m, job.r, job.images = layer.kernel, m, <int> winograd_taps(shape), images
    job.source = planes_of(input, &layer.source_at, shape.channels, shape.H, shape.W, shape.stride_h, shape.stride_w, shape.pad_h,
                           shape.pad_w)
    job.gradient = planes_of(gradient, &layer.output_at, shape.outputs, shape.OH, shape.OW, 1, 1, 0, 0)
    job.channels, job.outputs, job.OH, job.OW = planes_channels(&job.source), shape.outputs, shape.OH, shape.OW
    job.weight = weight
    if needs_phases(shape):
        phases = <char *> allocate(job.channels * job.outputs * job.r * job.r * 4)
        if phases == NULL:
            return -1
        job.weight = phases
    status = winograd_gradient(&job)
    if status == 0 and phases != NULL:
        phase_filters(weight, shape.channels * shape.outputs, shape.KH, shape.KW, shape.stride_h, shape.stride_w, job.r, True, phases)
    release(phases)
    return status


cdef int weight_gradient_directly(const Layer *layer, int dataflow, Py_ssize_t images, const char *gradient, const char *input,
                                  char *weight) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef WeightGradient job
    cdef int status = -1
    job.kernel, job.itemsize, job.images, job.groups = layer.kernel, shape.itemsize, images, shape.groups
    job.channels, job.outputs = shape.channels, shape.outputs
    job.source, job.gradient, job.weight = input, gradient, weight
    job.source_at = layer.source_at
    job.gradient_at = layer.output_at
    job.grid_rows, job.grid_columns = shape.OH, shape.OW
    if start_axes(layer, &job.rows, &job.columns) == 0:
        if dataflow == PLANES:
            status = depthwise_weight(&job)
        else:
            status = weight_product(&job) if dataflow == PRODUCT else weight_gradient(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_weights(const Layer *layer, int dataflow, Py_ssize_t images, const char *gradient, const char *input,
                     char *weight) noexcept nogil:
    """The gradient of the weights; -1 when memory is out. The transforms spread infinities and NaNs: then the sum is taken directly."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t weights = shape.groups * shape.outputs * shape.channels * shape.KH * shape.KW
    cdef int status = 0, m
    if images * shape.OH * shape.OW == 0:
        layer.kernel.fill(weights, 0, weight)
        return 0
    if dataflow < 0:
        dataflow = choose_weights(shape, winograd_allowed())
    if dataflow >= TILES4:
        m = 4 if dataflow == TILES4 else 3 if dataflow == TILES3 else 2
        status = weight_gradient_by_tiles(layer, m, images, gradient, input, weight)
        if status != 0 or layer.kernel.all_finite(weights, weight):
            return status
        dataflow = PRODUCT
    return weight_gradient_directly(layer, dataflow, images, gradient, input, weight)
