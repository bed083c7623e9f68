from fastconv.kernels.planes cimport Planes
from fastconv.kernels.runtime cimport fc_kernels

cdef enum:
    MOST_CHANNELS = 2048         # beyond, the points of a panel outgrow a thread's share of memory

cdef struct Winograd:
    # output[n, o, Y, X] = bias[o] + sum over c, i, j < r of weights[o, c, i, j] * source[n, c, Y + i, X + j], float32, where source and
    # output are planes with their own padding and phases
    const fc_kernels *kernel
    int m, r                     # F(m x m, r x r)
    Py_ssize_t images, channels, outputs
    Py_ssize_t OH, OW
    Planes source, output
    const char *weights          # filters of r x r taps
    Py_ssize_t output_stride, depth_stride   # from one filter to the next, in elements
    int flipped                  # filters are turned by 180 degrees
    const char *packed           # by pack_winograd, or NULL: transformed on the way
    const char *bias             # whole vectors, or NULL
    int relu
    char *doubtful               # (images) set to 1 where an image has a result that is not finite

cdef Py_ssize_t winograd_size(const Winograd *job) noexcept nogil
cdef void pack_winograd(const Winograd *job, char *packed) noexcept nogil
cdef int winograd(Winograd *job) noexcept nogil
cdef void phase_filters(const char *weights, Py_ssize_t filters, Py_ssize_t KH, Py_ssize_t KW, Py_ssize_t step_h, Py_ssize_t step_w,
                        Py_ssize_t r, bint back, char *phases) noexcept nogil
