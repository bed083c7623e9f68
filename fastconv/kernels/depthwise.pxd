from fastconv.kernels.frames cimport Frames
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.weight_gradient cimport WeightGradient

cdef struct Turned:
    # The gradient of the input of a layer of one channel and `filters` filters a group:
    #     output[n, g, i, j] = sum over filters f and the taps that reach (i, j) of
    #         weights[g * filters + f, th, tw] * gradient[n, g * filters + f, (i + pad_h - th * dil_h) / stride_h, ...]
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, filters
    Py_ssize_t H, W              # of the gradient
    Py_ssize_t KH, KW, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    const char *gradient         # (images, groups * filters, H, W), or as the frames say
    Frames gradient_at, output_at
    const char *weights          # (groups * filters, KH, KW), finite: zeros outside the gradient are multiplied too
    const char *bias             # (groups) or NULL
    char *output                 # (images, groups, OH, OW), or as the frames say

cdef int depthwise_input(const Turned *job) noexcept nogil
cdef int depthwise_weight(WeightGradient *job) noexcept nogil
