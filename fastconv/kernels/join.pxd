from fastconv.kernels.arrays cimport Array

cdef void add_pieces(const Array *x, const Array *y, char *output) noexcept nogil
