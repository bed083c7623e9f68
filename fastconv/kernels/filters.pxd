from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef struct Filters:
    # output[n, g * outputs + m, i, j] = bias + sum over c and taps of weights[g * outputs + m, c, th, tw] * source[n, g, c, ...]
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, channels, outputs       # few source channels a group, `outputs` filters on them
    Axis rows, columns
    const char *source           # (images, groups, channels, rows.size, columns.size), or as the frames say
    Frames source_at, output_at
    const char *weights          # (groups * outputs, channels, taps), as they come
    const char *bias
    int relu
    char *output                 # (images, groups * outputs, OH, OW)
    Py_ssize_t OH, OW

cdef int filters(Filters *job) noexcept nogil
