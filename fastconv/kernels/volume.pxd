from fastconv.kernels.layer cimport Layer
from fastconv.kernels.transposed cimport Depth

cdef enum Gradient:
    OUTPUT                       # no gradient: the convolution itself
    INPUT                        # of the input, or the transposed convolution: source and target as `layer` has them, transposed
    WEIGHT

cdef struct Volume:
    # The convolution of volumes whose slices are images of `layer`: its channels, outputs and weights are those of one slice of the filter,
    # but for the weights' own axes, (groups * outputs, channels, KD, KH, KW).
    Layer layer
    Depth depth
    int of                       # a Gradient
    bint flat                    # volumes are images of the layer themselves: their rows are the slices
    Py_ssize_t images            # volumes
    const char *source           # (images, groups * channels, depth.size, H, W)
    char *output                 # (images, groups * outputs, depth.outputs, OH, OW)
    const char *gradient         # WEIGHT: of the output, in its place
    char *weight                 # WEIGHT: the result, as the weights

cdef int run_volume(Volume *job) noexcept nogil
