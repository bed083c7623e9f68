"""Two-dimensional convolution: forward, and the gradients of input, weight and bias.

A layer is prepared (a dataflow chosen, its weights packed) and run. `Convolution` keeps what was prepared; the plain functions throw it
away after one call.
"""
from cython.parallel cimport parallel, prange
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view, view_images
from fastconv.kernels.dataflow cimport (
    PANELS, PLANES, PRODUCT, TILES3, TILES4, Shape, choose, choose_in_order, choose_weights, possible, weights_possible, winograd_taps,
)
from fastconv.kernels.depthwise cimport Turned, depthwise_input, depthwise_weight
from fastconv.kernels.layer cimport Layer, describe, needs_phases, prepare, start_axes, transpose, unpack
from fastconv.kernels.planes cimport Planes, planes_channels
from fastconv.kernels.run cimport bias_value, fill_bias, run
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for, winograd_allowed
from fastconv.kernels.slab cimport axis_release, ceil_div
from fastconv.kernels.weight_gradient cimport WeightGradient, weight_gradient
from fastconv.kernels.weight_product cimport weight_product
from fastconv.kernels.winograd cimport phase_filters
from fastconv.kernels.winograd_gradient cimport WinogradGradient, winograd_gradient

from fastconv.kernels.dataflow import NAMES, WEIGHT_NAMES


cdef int number(dataflow, const Shape *shape) except -2:
    """The number of a dataflow's name; -1 for None."""
    if dataflow is None:
        return -1
    if dataflow not in NAMES:
        raise ValueError(f"dataflow (={dataflow!r}) must be one of {', '.join(NAMES)}")
    if not possible(shape, NAMES.index(dataflow)):
        raise ValueError(f"dataflow (={dataflow!r}) cannot compute a layer of this shape")
    return NAMES.index(dataflow)


def conv2d_forward(input, weight, bias, output, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                   Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, dataflow=None):
    cdef Array x, w, b, y
    cdef Layer layer
    cdef int chosen, status
    cdef unsigned int mode = 0
    view_images(input, &x)
    view_images(weight, &w)
    view_images(output, &y, True)
    describe(&layer, &w, x.shape[2], x.shape[3], y.shape[2], y.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    if bias is not None:
        view(bias, &b)
        layer.bias = b.data
    chosen = number(dataflow, &layer.shape)
    with nogil:
        mode = enter_team()
        status = prepare(&layer, chosen, False)
        if status == 0:
            status = run(&layer, x.shape[0], x.data, y.data)
        unpack(&layer)
        leave_team(mode)
    if status != 0:
        raise MemoryError("conv2d: no memory for the packed weights or the workspace")


cdef class Convolution:
    """One layer with its weights packed: a copy of them as they were."""
    cdef Layer layer
    cdef char *memory            # the weights as they came, then the bias

    def __cinit__(self, weight, bias, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h, Py_ssize_t stride_w,
                  Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, bint relu=False,
                  dataflow=None, bint in_order=False):
        cdef Array w, b
        cdef int chosen, status
        cdef unsigned int mode = 0
        view_images(weight, &w)
        describe(&self.layer, &w, H, W, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
        self.layer.shape.lanes = kernels(w.itemsize).lanes
        chosen = choose_in_order(&self.layer.shape) if in_order else number(dataflow, &self.layer.shape)
        self.memory = <char *> allocate((w.size + w.shape[0]) * w.itemsize)
        if self.memory == NULL:
            raise MemoryError("conv2d: no memory for the weights")
        memcpy(self.memory, w.data, w.size * w.itemsize)
        self.layer.weights = self.memory
        if bias is not None:
            view(bias, &b)
            memcpy(self.memory + w.size * w.itemsize, b.data, b.size * b.itemsize)
            self.layer.bias = self.memory + w.size * w.itemsize
        self.layer.relu = relu
        with nogil:
            mode = enter_team()
            status = prepare(&self.layer, chosen, True)
            leave_team(mode)
        if status != 0:
            raise MemoryError("conv2d: no memory for the packed weights")

    def __dealloc__(self):
        unpack(&self.layer)
        release(self.memory)

    def forward(self, input, output):
        """(N, C, H, W) to (N, Cout, OH, OW); both contiguous and of the weights' dtype."""
        cdef Array x, y
        cdef int status
        cdef unsigned int mode = 0
        view_images(input, &x)
        view_images(output, &y, True)
        with nogil:
            mode = enter_team()
            status = run(&self.layer, x.shape[0], x.data, y.data)
            leave_team(mode)
        if status != 0:
            raise MemoryError("conv2d: no memory for the workspace")

    @property
    def dataflow(self):
        return NAMES[self.layer.dataflow]


def conv2d_dataflow(weight, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h, Py_ssize_t stride_w,
                    Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, of="output"):
    """The names of the dataflow that a plain call chooses for the `of` of a layer ("output", "grad_input" or "grad_weight"), and of all
    that can compute it."""
    cdef Array w
    cdef Layer layer
    cdef int dataflow
    view_images(weight, &w)
    describe(&layer, &w, H, W, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    layer.shape.lanes = kernels(w.itemsize).lanes
    if of == "grad_weight":
        able = [name for dataflow, name in enumerate(WEIGHT_NAMES) if weights_possible(&layer.shape, dataflow)]
        return WEIGHT_NAMES[choose_weights(&layer.shape, winograd_allowed())], able
    if of == "grad_input":
        transpose(&layer)
    able = [name for dataflow, name in enumerate(NAMES) if possible(&layer.shape, dataflow)]
    return NAMES[choose(&layer.shape, False, winograd_allowed())], able


cdef void scatter(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    """Term by term. Weights that are not finite need it: the padding of the other ways would multiply them by zeros, and make NaNs of
    products that the sum does not have."""
    cdef const Shape *shape = &layer.shape
    cdef const fc_kernels *kernel = layer.kernel
    cdef Py_ssize_t itemsize = shape.itemsize, task, c, kh, kw, i, h, w0, low, high, plane = shape.OH * shape.OW
    cdef Py_ssize_t group, m
    cdef const char *weight
    cdef const char *row
    cdef char *target
    cdef double work = <double> images * shape.groups * shape.outputs * plane * shape.channels * shape.KH * shape.KW
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(work)):
        mode = enter_team()
        for task in prange(images * shape.groups * shape.outputs, schedule="static"):
            group = task // shape.outputs % shape.groups
            m = task % shape.outputs
            target = output + task * plane * itemsize
            kernel.fill(plane, bias_value(layer, group * shape.outputs + m), target)
            for c in range(shape.channels):
                for kh in range(shape.KH):
                    for kw in range(shape.KW):
                        weight = layer.weights + ((((group * shape.channels + c) * shape.outputs + m) * shape.KH + kh) * shape.KW
                                                  + kw) * itemsize
                        w0 = kw * shape.dil_w - shape.pad_w
                        low = min(max(ceil_div(-w0, shape.stride_w), 0), shape.W)
                        high = max(min(ceil_div(shape.OW - w0, shape.stride_w), shape.W), low)
                        for i in range(shape.H):
                            h = i * shape.stride_h + kh * shape.dil_h - shape.pad_h
                            if 0 <= h < shape.OH:
                                row = gradient + (((task // shape.outputs * shape.channels + c) * shape.H + i) * shape.W + low) * itemsize
                                kernel.add_scaled(high - low, weight, row,
                                                  target + (h * shape.OW + w0 + low * shape.stride_w) * itemsize, shape.stride_w)
        leave_team(mode)


cdef int run_depthwise(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Turned job = Turned(
        kernel=layer.kernel, itemsize=shape.itemsize, images=images, groups=shape.groups, filters=shape.channels, H=shape.H,
        W=shape.W, KH=shape.KH, KW=shape.KW, OH=shape.OH, OW=shape.OW, stride_h=shape.stride_h, stride_w=shape.stride_w,
        pad_h=shape.pad_h, pad_w=shape.pad_w, dil_h=shape.dil_h, dil_w=shape.dil_w, gradient=gradient,
        weights=layer.weights, bias=layer.bias, output=output)
    return depthwise_input(&job)


cdef int run_transposed(Layer *layer, Py_ssize_t images, const char *gradient, char *output, int dataflow) noexcept nogil:
    """The gradient of the input; -1 when memory is out."""
    cdef Shape *shape = &layer.shape
    cdef int status
    layer.kernel = kernels(shape.itemsize)
    shape.lanes = layer.kernel.lanes
    if images * shape.groups * shape.channels * shape.H * shape.W == 0:
        fill_bias(layer, images, output)
        return 0
    if not layer.kernel.all_finite(shape.groups * shape.channels * shape.outputs * shape.KH * shape.KW, layer.weights):
        scatter(layer, images, gradient, output)
        return 0
    # One channel a group: there is no depth to share pixels over.
    if shape.outputs == 1 and dataflow <= PANELS and (shape.stride_h * shape.stride_w > 1 or (dataflow < 0 and shape.channels > 1)):
        return run_depthwise(layer, images, gradient, output)
    status = prepare(layer, dataflow, False)
    if status == 0:
        status = run(layer, images, gradient, output)
    unpack(layer)
    return status


def conv2d_backward_input(grad_output, weight, grad_input, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                          Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, bias=None, dataflow=None):
    """With a bias, (groups * channels of grad_input): the transposed convolution."""
    cdef Array g, w, x, b
    cdef Layer layer
    cdef int chosen, status
    cdef unsigned int mode = 0
    view_images(grad_output, &g)
    view_images(weight, &w)
    view_images(grad_input, &x, True)
    describe(&layer, &w, x.shape[2], x.shape[3], g.shape[2], g.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    transpose(&layer)
    if bias is not None:
        view(bias, &b)
        layer.bias = b.data
    chosen = number(dataflow, &layer.shape)
    with nogil:
        mode = enter_team()
        status = run_transposed(&layer, g.shape[0], g.data, x.data, chosen)
        leave_team(mode)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the packed weights or the workspace")


cdef int weight_gradient_by_tiles(const Layer *layer, int m, Py_ssize_t images, const char *gradient, const char *input,
                                  char *weight) noexcept nogil:
    """By Winograd's minimal filtering; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef WinogradGradient job
    cdef char *phases = NULL
    cdef int status
    job.kernel, job.m, job.r, job.images = layer.kernel, m, <int> winograd_taps(shape), images
    job.source = Planes(data=<char *> input, channels=shape.channels, H=shape.H, W=shape.W, step_h=shape.stride_h, step_w=shape.stride_w,
                        pad_h=shape.pad_h, pad_w=shape.pad_w)
    job.gradient = Planes(data=<char *> gradient, channels=shape.outputs, H=shape.OH, W=shape.OW, step_h=1, step_w=1, pad_h=0, pad_w=0)
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


def conv2d_backward_weight(grad_output, input, grad_weight, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                           Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, dataflow=None):
    cdef Array g, x, w
    cdef Layer layer
    cdef int chosen = -1, status
    cdef unsigned int mode = 0
    view_images(grad_output, &g)
    view_images(input, &x)
    view_images(grad_weight, &w, True)
    describe(&layer, &w, x.shape[2], x.shape[3], g.shape[2], g.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    layer.kernel = kernels(w.itemsize)
    layer.shape.lanes = layer.kernel.lanes
    if dataflow is not None:
        if dataflow not in WEIGHT_NAMES:
            raise ValueError(f"dataflow (={dataflow!r}) must be one of {', '.join(WEIGHT_NAMES)}")
        chosen = WEIGHT_NAMES.index(dataflow)
        if not weights_possible(&layer.shape, chosen):
            raise ValueError(f"dataflow (={dataflow!r}) cannot compute the gradient of weights of this shape")
    with nogil:
        mode = enter_team()
        status = run_weights(&layer, chosen, x.shape[0], g.data, x.data, w.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the workspace")


cdef void sum_channel(const fc_kernels *kernel, const Array *g, Py_ssize_t channel, char *total) noexcept nogil:
    """Over all images, in their order."""
    cdef Py_ssize_t n, pixels = g.size // (g.shape[0] * g.shape[1])
    cdef double sum = 0
    for n in range(g.shape[0]):
        sum = kernel.sum(pixels, g.data + (n * g.shape[1] + channel) * pixels * g.itemsize, sum)
    kernel.fill(1, sum, total + channel * g.itemsize)


def conv_backward_bias(grad_output, grad_bias):
    """Of (N, Cout, ...) in any number of dimensions, not empty."""
    cdef Array g, b
    cdef Py_ssize_t c
    cdef int threads
    cdef const fc_kernels *kernel
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_bias, &b, True)
    kernel = kernels(g.itemsize)
    threads = <int> min(threads_for(g.size), max(1, g.shape[1]))
    with nogil:
        mode = enter_team()
        if threads == 1:
            for c in range(g.shape[1]):
                sum_channel(kernel, &g, c, b.data)
        else:
            with parallel(num_threads=threads):
                mode = enter_team()
                for c in prange(g.shape[1], schedule="static"):
                    sum_channel(kernel, &g, c, b.data)
                leave_team(mode)
        leave_team(mode)
