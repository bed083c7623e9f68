from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef enum:
    PHASES = 8                   # of an output that are computed together, at most

cdef struct Correlation:
    # Every group g of every image n: output[m, i, j] = bias[m] + sum over c, taps (th, tw) of
    #     weights[m, c, th, tw] * source[c, i * rows.step + rows.offset[th], j * columns.step + columns.offset[tw]]
    # where what lies outside the source is zero. Packed weights: (groups, blocks of tile_rows, depth, tile_rows).
    const fc_kernels *kernel
    Py_ssize_t itemsize
    Py_ssize_t images, groups
    Py_ssize_t channels          # of the source, a group
    Py_ssize_t outputs           # output channels, a group
    Axis rows, columns           # the source's axes and taps
    const char *source           # (images, groups * channels, rows.size, columns.size), or as the frames say
    Frames source_at, output_at
    const char *weights
    const char *bias             # (groups * outputs) or NULL
    int relu                     # whether negative outputs become zero
    bint panels                  # pack panels across rows of pixels; otherwise every vector lies in one row
    Py_ssize_t tile_rows, tile_vectors   # of the register tile, at most
    char *output                 # (images, groups * outputs, height, width), or as the frames say
    Py_ssize_t height, width
    Py_ssize_t grid_rows, grid_columns   # the outputs that are computed: rows row0, row0 + row_step, ...
    Py_ssize_t row0, row_step, column0, column_step

cdef void choose_tile(Correlation *job) noexcept nogil
cdef Py_ssize_t packed_size(const Correlation *job) noexcept nogil
cdef int correlate(Correlation *jobs, Py_ssize_t count) noexcept nogil
