from libc.stdint cimport int64_t

from fastconv.kernels.pool_plane cimport Pool

cdef int pool_forward(Pool *job, const char *input, char *output, int64_t *indices) noexcept nogil
