from fastconv.kernels.weight_gradient cimport WeightGradient

cdef bint worth_a_product(const WeightGradient *job) noexcept nogil
cdef int weight_product(WeightGradient *job) noexcept nogil
