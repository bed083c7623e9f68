from fastconv.kernels.layer cimport Layer

cdef struct Depth:
    # The third axis of a convolution of volumes; for the gradient of the input `size` is the gradient's.
    Py_ssize_t size, kernel, outputs, stride, pad, dil

cdef void scatter(const Layer *layer, const Depth *depth, Py_ssize_t images, const char *gradient, char *output) noexcept nogil
cdef int run_transposed(Layer *layer, Py_ssize_t images, const char *gradient, char *output, int dataflow) noexcept nogil
