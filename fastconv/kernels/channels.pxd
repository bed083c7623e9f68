from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef enum:
    MOST_COLUMNS = 256           # of a block: longer rows are cut

cdef struct Channels:
    # As Correlation; packed weights: (groups, blocks of width, depth, width).
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, channels, outputs
    Axis rows, columns
    const char *source
    Frames source_at, output_at
    int m                        # 0, or outputs of a tile of Winograd's minimal filtering along the rows: F(m, 7 - m), float32
    const char *weights          # packed; for Winograd (groups, blocks of lanes, channels * KH, 6, lanes)
    const char *bias             # (groups, whole blocks) of width elements each
    int relu
    char *output                 # (images, groups * outputs, OH, OW)
    Py_ssize_t OH, OW
    char *doubtful               # for Winograd: (images) set to 1 where an image has a result that is not finite

cdef Py_ssize_t channels_width(const fc_kernels *kernel, Py_ssize_t outputs) noexcept nogil
cdef void pack_lines(const Channels *job, const char *source, char *packed) noexcept nogil
cdef int channels(Channels *job) noexcept nogil
