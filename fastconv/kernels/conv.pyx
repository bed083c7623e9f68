"""Two-dimensional convolution: forward, and the gradients of input, weight and bias.

A layer is prepared (a dataflow chosen, its weights packed) and run. `Convolution` keeps what was prepared; the plain functions throw it
away after one call.
"""
from cython.parallel cimport parallel, prange
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view, view_images
from fastconv.kernels.dataflow cimport Shape, choose, choose_as_lanes, choose_weights, possible, weights_possible
from fastconv.kernels.layer cimport Layer, describe, prepare, transpose, unpack
from fastconv.kernels.prepared cimport Prepared
from fastconv.kernels.run cimport run
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for, winograd_allowed
from fastconv.kernels.transposed cimport run_transposed
from fastconv.kernels.weights cimport run_weights

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


cdef int compute(const void *layer, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    return run(<const Layer *> layer, images, sources[0], target)


cdef class Convolution(Prepared):
    """One layer with its weights packed: a copy of them as they were."""
    cdef Layer layer
    cdef char *memory            # the weights as they came, then the bias

    def __cinit__(self, weight, bias, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h, Py_ssize_t stride_w,
                  Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, bint relu=False,
                  dataflow=None, bint as_lanes=False):
        cdef Array w, b
        cdef int chosen, status
        cdef unsigned int mode = 0
        view_images(weight, &w)
        describe(&self.layer, &w, H, W, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
        self.layer.shape.lanes = kernels(w.itemsize).lanes
        chosen = choose_as_lanes(&self.layer.shape) if as_lanes else number(dataflow, &self.layer.shape)
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
        self.call, self.state = compute, &self.layer

    def __dealloc__(self):
        unpack(&self.layer)
        release(self.memory)

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
