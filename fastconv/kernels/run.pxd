from fastconv.kernels.layer cimport Layer

cdef int run(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil
