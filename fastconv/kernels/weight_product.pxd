from fastconv.kernels.weight_gradient cimport WeightGradient

cdef int weight_product(WeightGradient *job) noexcept nogil
