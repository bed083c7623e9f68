"""The gradient of a convolution's input, or the transposed convolution: the layer from the gradient to the input, with turned filters."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.dataflow cimport PANELS, Shape
from fastconv.kernels.depthwise cimport Turned, depthwise_input
from fastconv.kernels.layer cimport Layer, prepare, unpack
from fastconv.kernels.run cimport bias_value, fill_bias, run
from fastconv.kernels.runtime cimport enter_team, fc_kernels, kernels, leave_team, threads_for
from fastconv.kernels.slab cimport ceil_div


cdef void scatter(const Layer *layer, const Depth *depth, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    """Term by term. Weights that are not finite need it: the padding of the other ways would multiply them by zeros, and make NaNs of
    products that the sum does not have. Images may be volumes, whose filters have weights (groups * channels, outputs, KD, KH, KW)."""
    cdef const Shape *shape = &layer.shape
    cdef const fc_kernels *kernel = layer.kernel
    cdef Py_ssize_t itemsize = shape.itemsize, task, c, kd, kh, kw, d, i, h, w0, low, high, plane = shape.OH * shape.OW
    cdef Py_ssize_t filter, place, group, m
    cdef const char *weight
    cdef const char *row
    cdef char *target
    cdef double work = <double> images * shape.groups * shape.outputs * plane * shape.channels * shape.KH * shape.KW
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(work * depth.outputs * depth.kernel)):
        mode = enter_team()
        for task in prange(images * shape.groups * shape.outputs * depth.outputs, schedule="static"):
            place = task // depth.outputs // shape.outputs           # image and group
            group = place % shape.groups
            m = task // depth.outputs % shape.outputs
            target = output + task * plane * itemsize
            kernel.fill(plane, bias_value(layer, group * shape.outputs + m), target)
            for c in range(shape.channels):
                filter = (group * shape.channels + c) * shape.outputs + m
                for kd in range(depth.kernel):
                    d = task % depth.outputs + depth.pad - kd * depth.dil
                    if d < 0 or d % depth.stride != 0 or d // depth.stride >= depth.size:
                        continue
                    d = d // depth.stride
                    for kh in range(shape.KH):
                        for kw in range(shape.KW):
                            weight = layer.weights + (((filter * depth.kernel + kd) * shape.KH + kh) * shape.KW + kw) * itemsize
                            w0 = kw * shape.dil_w - shape.pad_w
                            low = min(max(ceil_div(-w0, shape.stride_w), 0), shape.W)
                            high = max(min(ceil_div(shape.OW - w0, shape.stride_w), shape.W), low)
                            for i in range(shape.H):
                                h = i * shape.stride_h + kh * shape.dil_h - shape.pad_h
                                if 0 <= h < shape.OH:
                                    row = gradient + ((((place * shape.channels + c) * depth.size + d) * shape.H + i) * shape.W
                                                      + low) * itemsize
                                    kernel.add_scaled(high - low, weight, row,
                                                      target + (h * shape.OW + w0 + low * shape.stride_w) * itemsize, shape.stride_w)
        leave_team(mode)


cdef int run_depthwise(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Turned job
    job.kernel, job.itemsize, job.images, job.groups, job.filters = layer.kernel, shape.itemsize, images, shape.groups, shape.channels
    job.H, job.W, job.KH, job.KW, job.OH, job.OW = shape.H, shape.W, shape.KH, shape.KW, shape.OH, shape.OW
    job.stride_h, job.stride_w, job.pad_h, job.pad_w = shape.stride_h, shape.stride_w, shape.pad_h, shape.pad_w
    job.dil_h, job.dil_w = shape.dil_h, shape.dil_w
    job.gradient, job.weights, job.bias, job.output = gradient, layer.weights, layer.bias, output
    job.gradient_at = layer.source_at
    job.output_at = layer.output_at
    return depthwise_input(&job)


cdef int run_transposed(Layer *layer, Py_ssize_t images, const char *gradient, char *output, int dataflow) noexcept nogil:
    """The gradient of the input; -1 when memory is out."""
    cdef Shape *shape = &layer.shape
    cdef Depth flat = Depth(size=1, kernel=1, outputs=1, stride=1, pad=0, dil=1)
    cdef int status
    layer.kernel = kernels(shape.itemsize)
    shape.lanes = layer.kernel.lanes
    if images * shape.groups * shape.channels * shape.H * shape.W == 0:
        fill_bias(layer, images, output)
        return 0
    if not layer.kernel.all_finite(shape.groups * shape.channels * shape.outputs * shape.KH * shape.KW, layer.weights):
        scatter(layer, &flat, images, gradient, output)
        return 0
    # One channel a group: there is no depth to share pixels over.
    if shape.outputs == 1 and dataflow <= PANELS and (shape.stride_h * shape.stride_w > 1 or (dataflow < 0 and shape.channels > 1)):
        return run_depthwise(layer, images, gradient, output)
    status = prepare(layer, dataflow, False)
    if status == 0:
        status = run(layer, images, gradient, output)
    unpack(layer)
    return status
