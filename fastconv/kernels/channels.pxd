from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef struct Channels:
    # As Correlation; packed weights: (groups, blocks of width, depth, width).
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, channels, outputs
    Axis rows, columns
    const char *source
    const char *weights
    const char *bias             # (groups, whole blocks) of width elements each
    int relu
    char *output                 # (images, groups * outputs, OH, OW)
    Py_ssize_t OH, OW

cdef Py_ssize_t channels_width(const fc_kernels *kernel, Py_ssize_t outputs) noexcept nogil
cdef int channels(Channels *job) noexcept nogil
