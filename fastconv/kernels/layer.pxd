from fastconv.kernels.arrays cimport Array
from fastconv.kernels.channels cimport Channels
from fastconv.kernels.correlation cimport Correlation
from fastconv.kernels.dataflow cimport Shape
from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis
from fastconv.kernels.winograd cimport Winograd

cdef struct Layer:
    Shape shape
    Frames source_at, output_at
    const fc_kernels *kernel
    int dataflow
    int relu
    const char *weights          # (groups * outputs, channels, KH, KW); transposed: (groups * channels, outputs, KH, KW)
    const char *bias             # (groups * outputs) or NULL
    char *packed                 # the weights in the order of the dataflow, or NULL where it takes them as they are
    char *packed_bias            # the bias likewise
    char *phases                 # the weights of a strided layer by phases, for Winograd, or NULL

cdef void start_layer(Layer *layer, const Shape *shape, const char *weights) noexcept
cdef void describe(Layer *layer, const Array *w, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h,
                   Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w,
                   Py_ssize_t groups) noexcept
cdef void transpose(Layer *layer) noexcept
cdef int prepare(Layer *layer, int dataflow, bint prepared) noexcept nogil
cdef void unpack(Layer *layer) noexcept nogil
cdef int start_axes(const Layer *layer, Axis *rows, Axis *columns) noexcept nogil
cdef void describe_correlation(const Layer *layer, Correlation *job) noexcept nogil
cdef void describe_winograd(const Layer *layer, Winograd *job) noexcept nogil
cdef void describe_channels(const Layer *layer, Channels *job) noexcept nogil
cdef void pack_block(const Correlation *job, const char *weights, Py_ssize_t row_stride, Py_ssize_t group_stride,
                     const Py_ssize_t *offsets, Py_ssize_t width, Py_ssize_t block, char *packed) noexcept nogil
cdef void pack_weights(const Correlation *job, const char *weights, Py_ssize_t row_stride, Py_ssize_t group_stride,
                       const Py_ssize_t *offsets, Py_ssize_t width, char *packed) noexcept nogil
cdef bint needs_phases(const Shape *shape) noexcept nogil
