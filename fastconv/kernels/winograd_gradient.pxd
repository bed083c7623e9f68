from fastconv.kernels.planes cimport Planes
from fastconv.kernels.runtime cimport fc_kernels

cdef struct WinogradGradient:
    # weight[o, c, i, j] = sum over images n and pixels (Y, X) of gradient[n, o, Y, X] * source[n, c, Y + i, X + j], i, j < r, float32
    const fc_kernels *kernel
    int m, r                     # F(r x r, m x m): tiles of m x m pixels of the gradient are the filters here
    Py_ssize_t images, channels, outputs
    Py_ssize_t OH, OW
    Planes source, gradient
    char *weight                 # (outputs, channels, r, r)

cdef int winograd_gradient(WinogradGradient *job) noexcept nogil
