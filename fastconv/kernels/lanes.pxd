"""A network with the images of a batch in the lanes: what its operations are, and where their tensors lie.

A chunk is as many images as a vector has lanes. One thread takes a chunk through all operations, forward and backward, before it turns to
the next: what lies between the operations never leaves its cache, and threads meet once a batch.
"""
from libc.stdint cimport int64_t

from fastconv.kernels.runtime cimport fc_kernels

cdef enum:
    CONVOLUTION, DENSE, MAXIMUM, MEAN, POINTWISE

cdef struct Maps:                # of one chunk; sizes in vectors, of which one holds an element of each image
    Py_ssize_t C, H, W
    Py_ssize_t step, row, plane  # from a column, a row, a channel to the next
    Py_ssize_t origin            # of the first element, which lies behind the border
    Py_ssize_t place             # in the arena

cdef struct Operation:
    int kind
    bint overlapping             # windows of a pooling that share pixels
    Maps source, target          # what it reads and writes
    Maps source_gradient, target_gradient
    Py_ssize_t KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    int activation               # of the target, in place: its number among the elementwise functions; or -1
    # of a convolution by Winograd's minimal filtering along the rows
    int m                        # outputs of a tile; else 0
    Py_ssize_t row_depth         # the depth without the columns' taps
    char *filters                # [points][blocks of outputs][row_depth][width]
    char *filter_points          # the same as line_weights makes them
    Py_ssize_t *row_offsets      # of each step of that depth: in the points, in elements
    Py_ssize_t points_place      # in the arena: [points][channels][rows][tiles] vectors,
    Py_ssize_t row_sums_place    # [points][width][tiles] vectors, then one for the images in doubt
    # of a convolution or dense layer
    Py_ssize_t depth, turned_depth
    const char *weight           # the caller's, (outputs, depth)
    const char *bias             # or NULL
    Py_ssize_t width, turned_width   # outputs and channels a block
    char *packed                 # [blocks of outputs][depth][width]
    char *turned                 # [blocks of channels][turned_depth][turned_width]: for the gradient of the source
    Py_ssize_t *offsets          # of each step of the depth: in the source, in elements
    Py_ssize_t *turned_offsets   # in the gradient of the target; in the order rows of taps, outputs, columns of taps
    Py_ssize_t *turned_sources   # in the weight
    Py_ssize_t sums_place        # in the arena: [outputs][depth] vectors, the gradient of a convolution's weight lane by lane
    Py_ssize_t gradient_place    # in a shard: [outputs][depth] elements
    Py_ssize_t bias_place        # in a shard: [outputs] doubles
    char *grad_weight            # the caller's
    char *grad_bias              # or NULL
    # of a pooling
    char *divisors               # [OW] elements: of a mean, those of a column
    double *factors              # [OH]: those of a row

cdef enum:
    POINTS = 6                   # of a tile of Winograd's

cdef struct Lanes:
    const fc_kernels *kernel
    Py_ssize_t itemsize, lanes, count
    Operation *operations
    Maps input
    Py_ssize_t vectors           # of one thread's arena
    Py_ssize_t scratch, scratch_row  # in the arena: room for a dense layer's source and gradient, image by image


cdef inline Py_ssize_t even_part(Py_ssize_t left, Py_ssize_t most) noexcept nogil:
    """The first of as few parts as there can be of at most so many, all of about one size: a short last part would starve."""
    cdef Py_ssize_t parts = (left + most - 1) // most
    return (left + parts - 1) // parts


cdef inline char *element(const Lanes *net, char *arena, const Maps *maps, Py_ssize_t c, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    return arena + (maps.place + maps.origin + c * maps.plane + y * maps.row + x * maps.step) * net.lanes * net.itemsize
