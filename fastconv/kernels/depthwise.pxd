from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.weight_gradient cimport WeightGradient

cdef struct Turned:
    # The gradient of the input of a layer of one channel and `filters` filters of 3 x 3 a group, at stride 1 or 2, no dilation:
    #     output[n, g, i, j] = sum over filters f and taps of weights[g * filters + f, th, tw] * gradient[n, g * filters + f, ...]
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups, filters, stride
    Py_ssize_t H, W              # of the gradient
    Py_ssize_t OH, OW, pad_h, pad_w
    const char *gradient         # (images, groups * filters, H, W)
    const char *weights          # (groups * filters, 9), finite: the lanes outside the gradient are multiplied too
    char *output                 # (images, groups, OH, OW)

cdef int depthwise_input(const Turned *job) noexcept nogil
cdef bint suits_depthwise(const WeightGradient *job) noexcept nogil
cdef int depthwise_weight(WeightGradient *job) noexcept nogil
