from fastconv.kernels.layer cimport Layer

cdef int run_weights(const Layer *layer, int dataflow, Py_ssize_t images, const char *gradient, const char *input,
                     char *weight) noexcept nogil
