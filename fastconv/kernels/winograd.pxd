from fastconv.kernels.runtime cimport fc_kernels

cdef enum:
    MOST_CHANNELS = 1024         # beyond, the points of a panel outgrow a thread's share of memory

cdef struct Winograd:
    # output[n, m, y, x] = bias[m] + sum over c, i, j of weights[m, c, i, j] * source[n, c, y + i - pad_h, x + j - pad_w], float32
    const fc_kernels *kernel
    int size                     # 4 or 2: F(4x4, 3x3) or F(2x2, 3x3)
    Py_ssize_t images, channels, outputs
    Py_ssize_t H, W, OH, OW, pad_h, pad_w
    const char *source           # (images, channels, H, W)
    const char *weights          # packed by pack_winograd
    const char *bias             # (outputs) or NULL
    int relu
    char *output                 # (images, outputs, OH, OW)
    char *doubtful               # (images) set to 1 where an image has a result that is not finite

cdef Py_ssize_t winograd_size(const fc_kernels *kernel, int size, Py_ssize_t channels, Py_ssize_t outputs) noexcept nogil
cdef void pack_winograd(const Winograd *job, const char *source, Py_ssize_t output_stride, Py_ssize_t depth_stride, int flipped,
                        char *packed) noexcept nogil
cdef int winograd(Winograd *job) noexcept nogil
