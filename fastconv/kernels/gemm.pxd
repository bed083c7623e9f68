# c (M, N) = a (M, K) b (N, K)^T + bias (N) or NULL, or with relu max(that, 0); -1 when memory is out.
cdef int dense_product(Py_ssize_t itemsize, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const char *a, const char *b, const char *bias,
                       bint relu, char *c) noexcept nogil
