from fastconv.kernels.local cimport Local

cdef int local_input(const Local *job) noexcept nogil
