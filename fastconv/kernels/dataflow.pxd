cdef struct Shape:
    # One layer, a group: what the choice of a dataflow may depend on.
    Py_ssize_t itemsize, lanes
    Py_ssize_t groups, channels, outputs     # channels and outputs: a group
    Py_ssize_t planes            # slices of a filter of volumes, each with its own of the channels; else 1
    Py_ssize_t slices            # of a volume's output, for which the weights are prepared once; else 1
    Py_ssize_t H, W, KH, KW, OH, OW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    bint transposed              # the gradient of the input: H, W are the gradient's, OH, OW the input's

cdef enum Dataflow:
    PANELS      # implicit im2col: panels of the column matrix, pixels in the lanes, across rows
    ROWS        # the same without the packing: each vector lies in one row of pixels
    CHANNELS    # implicit GEMM with the output channels in the lanes
    FILTERS     # one channel's filter at a time, rows abreast
    WINOGRAD4   # F(4x4, 3x3)
    WINOGRAD3   # F(3x3, 4x4) and F(3x3, 2x2)
    WINOGRAD2   # F(2x2, 3x3) and F(2x2, 5x5)
    LINES4      # as CHANNELS, with F(4, 3) along the rows
    LINES2      # the same with F(2, 5)

cdef enum:
    DATAFLOWS = 9

cdef enum WeightDataflow:
    LANES       # pixels in the lanes: few weights
    PRODUCT     # a matrix product with the taps in the lanes
    PLANES      # 3 x 3 filters of one channel, on planes as they lie
    TILES4      # F(3x3, 4x4)
    TILES3      # F(4x4, 3x3) and F(2x2, 3x3)
    TILES2      # F(3x3, 2x2) and F(5x5, 2x2)

cdef enum:
    WEIGHT_DATAFLOWS = 6

cdef int winograd_tile(int dataflow) noexcept nogil
cdef int line_tile(int dataflow) noexcept nogil
cdef Py_ssize_t winograd_taps(const Shape *shape) noexcept nogil
cdef bint possible(const Shape *shape, int dataflow) noexcept nogil
cdef int choose_as_lanes(const Shape *shape) noexcept nogil
cdef int choose(const Shape *shape, bint prepared, bint winograd) noexcept nogil
cdef bint weights_possible(const Shape *shape, int dataflow) noexcept nogil
cdef int choose_weights(const Shape *shape, bint winograd) noexcept nogil
cdef bint panels_pay(const Shape *shape, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
