from fastconv.kernels.lanes cimport Lanes, Operation

cdef void pack_backward(const Lanes *net, const Operation *op) noexcept nogil
cdef void start_shard(const Lanes *net, char *arena) noexcept nogil
cdef void operate_backward(const Lanes *net, Py_ssize_t i, char *arena, char *shard, double *biases) noexcept nogil
cdef void backward(const Lanes *net, char *arena, char *shard, double *biases) noexcept nogil
cdef void finish_shard(const Lanes *net, char *arena, char *shard) noexcept nogil
