from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef struct Filters:
    # output[n, g * outputs + m, i, j] = bias + sum over taps of weights[g * outputs + m, th, tw] * source[n, g, ...]
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, outputs     # one source channel a group, `outputs` filters on it
    Axis rows, columns
    const char *source           # (images, groups, rows.size, columns.size)
    const char *weights          # (groups * outputs, taps), as they come
    const char *bias
    int relu
    char *output                 # (images, groups * outputs, OH, OW)
    Py_ssize_t OH, OW

cdef int filters(Filters *job) noexcept nogil
