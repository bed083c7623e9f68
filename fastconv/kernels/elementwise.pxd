from fastconv.kernels.arrays cimport Array

# kept NULL: forward, x being the input; else backward, x being the gradient
cdef void map_array(int function, const Array *x, const char *kept, double parameter, char *y) noexcept nogil
