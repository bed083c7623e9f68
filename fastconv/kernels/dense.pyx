"""A dense layer with a copy of its weights. A few rows take them packed, once, as a convolution of one pixel does; many rows, whose
products pay for packing, take them as they came. Both add up in the order of the features."""
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.dataflow cimport CHANNELS, Shape, possible
from fastconv.kernels.gemm cimport dense_product
from fastconv.kernels.layer cimport Layer, prepare, start_layer, unpack
from fastconv.kernels.prepared cimport Prepared
from fastconv.kernels.run cimport run
from fastconv.kernels.runtime cimport allocate, enter_team, kernels, leave_team, release

cdef enum:
    FEW = 4                      # rows


cdef struct State:
    Layer layer
    Py_ssize_t rows              # of an image


cdef int compute(const void *opaque, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    cdef const State *state = <const State *> opaque
    cdef const Layer *layer = &state.layer
    cdef Py_ssize_t rows = images * state.rows
    if layer.packed != NULL and rows <= FEW:
        return run(layer, rows, sources[0], target)
    return dense_product(layer.shape.itemsize, rows, layer.shape.outputs, layer.shape.channels, sources[0], layer.weights, layer.bias,
                         layer.relu, target)


cdef class Dense(Prepared):
    cdef State own
    cdef char *memory            # the weights as they came, then the bias

    def __cinit__(self, weight, bias, Py_ssize_t rows, bint relu):
        """weight: (out_features, in_features); rows: of one image, each by itself; relu: of the result."""
        cdef Array w, b
        cdef Shape shape
        cdef int status = 0
        cdef unsigned int mode = 0
        view(weight, &w)
        shape = Shape(itemsize=w.itemsize, lanes=kernels(w.itemsize).lanes, groups=1, channels=w.shape[1], outputs=w.shape[0], planes=1,
                      slices=1, H=1, W=1, KH=1, KW=1, OH=1, OW=1, stride_h=1, stride_w=1, pad_h=0, pad_w=0, dil_h=1, dil_w=1,
                      transposed=False)
        self.memory = <char *> allocate((w.size + w.shape[0]) * w.itemsize)
        if self.memory == NULL:
            raise MemoryError("linear: no memory for the weights")
        memcpy(self.memory, w.data, w.size * w.itemsize)
        start_layer(&self.own.layer, &shape, self.memory)
        if bias is not None:
            view(bias, &b)
            memcpy(self.memory + w.size * w.itemsize, b.data, b.size * b.itemsize)
            self.own.layer.bias = self.memory + w.size * w.itemsize
        self.own.layer.relu, self.own.rows = relu, rows
        if rows <= FEW and possible(&shape, CHANNELS):
            with nogil:
                mode = enter_team()
                status = prepare(&self.own.layer, CHANNELS, True)
                leave_team(mode)
        if status != 0:
            raise MemoryError("linear: no memory for the packed weights")
        self.call, self.state = compute, &self.own

    def __dealloc__(self):
        unpack(&self.own.layer)
        release(self.memory)
