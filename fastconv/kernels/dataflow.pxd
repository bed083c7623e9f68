cdef struct Shape:
    # One layer, a group: what the choice of a dataflow may depend on.
    Py_ssize_t itemsize, lanes
    Py_ssize_t groups, channels, outputs     # channels and outputs: a group
    Py_ssize_t H, W, KH, KW, OH, OW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w

cdef enum Dataflow:
    PANELS      # implicit im2col: panels of the column matrix, pixels in the lanes, across rows
    ROWS        # the same without the packing: each vector lies in one row of pixels
    CHANNELS    # implicit GEMM with the output channels in the lanes
    FILTERS     # one channel's filter at a time, rows abreast
    WINOGRAD4   # F(4x4, 3x3)
    WINOGRAD2   # F(2x2, 3x3)

cdef enum:
    DATAFLOWS = 6

cdef bint possible(const Shape *shape, int dataflow) noexcept nogil
cdef int choose(const Shape *shape, bint prepared, bint winograd) noexcept nogil
cdef bint panels_pay(const Shape *shape, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
