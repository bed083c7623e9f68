from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef struct WeightGradient:
    # Every group g: weight[m, c, th, tw] = sum over images n and pixels (i, j) of
    #     gradient[n, m, i, j] * source[n, c, i * rows.step + rows.offset[th], j * columns.step + columns.offset[tw]]
    const fc_kernels *kernel
    Py_ssize_t itemsize
    Py_ssize_t images, groups, channels, outputs     # channels and outputs: a group
    Axis rows, columns
    const char *source           # (images, groups * channels, rows.size, columns.size), or as the frames say
    const char *gradient         # (images, groups * outputs, grid_rows, grid_columns), or as the frames say
    Frames source_at, gradient_at
    char *weight                 # (groups * outputs, channels, rows.taps, columns.taps)
    Py_ssize_t grid_rows, grid_columns

cdef int weight_gradient(WeightGradient *job) noexcept nogil
