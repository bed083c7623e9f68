from fastconv.kernels.dataflow cimport Shape
from fastconv.kernels.layer cimport Layer

cdef bint phases_cover(const Shape *shape) noexcept nogil
cdef int run_phases(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil
