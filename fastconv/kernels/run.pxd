from fastconv.kernels.layer cimport Layer

cdef int run(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil
cdef double bias_value(const Layer *layer, Py_ssize_t output) noexcept nogil
cdef void fill_bias(const Layer *layer, Py_ssize_t images, char *output) noexcept nogil
