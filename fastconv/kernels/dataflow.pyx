"""Which dataflow computes a convolution: the one place that decides.

Each dataflow has a cost: the cycles that a multiply-add of the direct sum takes, per lane. A register tile at full speed costs 1. The
choice depends on the layer's shape alone, never on the batch or the threads, because Winograd's bits differ from a direct sum's.
"""
from fastconv.kernels.winograd cimport MOST_CHANNELS

NAMES = ("panels", "rows", "channels", "filters", "winograd4", "winograd2")


cdef double TILE = 0.08              # what loading and storing a pixel tile's results adds


cdef Py_ssize_t ceil_to(Py_ssize_t a, Py_ssize_t multiple) noexcept nogil:
    return (a + multiple - 1) // multiple * multiple


cdef enum:
    WEIGHT_BYTES = 512 * 1024        # of a channel tile: beyond, they stream from the last-level cache
    MOST_PIXELS = 14                 # of a run
    WIDE_BYTES = 64                  # of a vector, where there are 32 registers of them
    CHANNELS_BYTES = 1024 * 1024     # of the source rows that one output row reads, in all channels: they have to stay in a cache


cdef bint possible(const Shape *shape, int dataflow) noexcept nogil:
    if dataflow == FILTERS:
        return shape.channels == 1
    if dataflow == CHANNELS:
        return (shape.channels * shape.itemsize * min(shape.KH * shape.stride_h, shape.H + 2)
                * (shape.OW * min(shape.stride_w, shape.KW) + shape.KW * shape.dil_w) <= CHANNELS_BYTES)
    if dataflow == WINOGRAD4 or dataflow == WINOGRAD2:
        return (shape.itemsize == 4 and shape.groups == 1 and shape.KH == 3 and shape.KW == 3 and shape.stride_h == 1
                and shape.stride_w == 1 and shape.dil_h == 1 and shape.dil_w == 1 and shape.channels <= MOST_CHANNELS)
    return True


cdef double winograd_cost(const Shape *shape, int m, bint prepared) noexcept nogil:
    """(m + 2)^2 multiply-adds a tile instead of 9 m^2, and the transforms: each point costs about `transform` multiply-adds a channel
    (the source's shared by all outputs, and the other way round), a weight's point 8 to fetch and 50 more to make."""
    cdef double tiles = <double> ((shape.OH + m - 1) // m) * ((shape.OW + m - 1) // m)
    cdef double filled = ceil_to(<Py_ssize_t> tiles, shape.lanes)
    cdef double transform = 14 if m == 4 else 10
    cdef double weight = 8 if prepared else 58
    return ((m + 2) * (m + 2) * (1.05 * filled + transform * tiles * (1.0 / shape.channels + 1.0 / shape.outputs) + weight)
            / (9.0 * shape.OH * shape.OW))


cdef double cost(const Shape *shape, int dataflow, bint prepared) noexcept nogil:
    cdef bint pointwise = (shape.KH == 1 and shape.KW == 1 and shape.stride_h == 1 and shape.stride_w == 1
                           and shape.pad_h == 0 and shape.pad_w == 0)
    cdef Py_ssize_t depth = shape.channels * shape.KH * shape.KW
    cdef Py_ssize_t row = shape.OH * shape.OW if pointwise else shape.OW     # a pointwise layer is one long row
    cdef double pixels = <double> shape.OH * shape.OW, runs
    if dataflow == PANELS:       # packing a panel costs about three multiply-adds, shared by the output channels
        return TILE + ceil_to(shape.OH * shape.OW, shape.lanes) / pixels + 3.0 / shape.outputs
    if dataflow == ROWS:         # the lanes behind the end of each row are wasted
        return TILE + ceil_to(row, shape.lanes) / <double> row
    if dataflow == CHANNELS:     # the lanes behind the last channel are wasted; turning a run of results around costs about 12 steps
        runs = ceil_to(shape.OW, MOST_PIXELS) // MOST_PIXELS
        return (ceil_to(shape.outputs, shape.lanes) / <double> shape.outputs * (1.04 + 0.3 * runs / shape.OW) + 12.0 / depth
                + (TILE if 2 * shape.lanes * shape.itemsize * depth > WEIGHT_BYTES else 0)
                # Of 16 registers few hold pixels: each short run of a long row fetches all weights anew, from the second-level cache.
                + (TILE if shape.lanes * shape.itemsize < WIDE_BYTES and shape.OW >= 2 * MOST_PIXELS else 0))
    if dataflow == FILTERS:      # nearly a load a multiply-add
        return 1.2 * ceil_to(shape.OW, shape.lanes) / <double> shape.OW
    return winograd_cost(shape, 4 if dataflow == WINOGRAD4 else 2, prepared)


cdef int choose(const Shape *shape, bint prepared, bint winograd) noexcept nogil:
    """The possible dataflow of least cost; `prepared`: the weights are packed once for many calls; `winograd`: it is allowed."""
    cdef int dataflow, best = ROWS
    cdef double least, here
    if shape.channels == 1 and shape.outputs < 4:      # a tile of so few rows waits for its own results
        return FILTERS
    least = cost(shape, ROWS, prepared)
    for dataflow in range(DATAFLOWS):
        if dataflow == FILTERS or not possible(shape, dataflow):
            continue
        if dataflow >= WINOGRAD4 and (not winograd or shape.channels < 16 or shape.outputs < 16):
            continue
        here = cost(shape, dataflow, prepared)
        if here < least:
            least, best = here, dataflow
    return best


cdef bint panels_pay(const Shape *shape, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Whether packed panels beat vectors that each lie in one row, for a phase of rows x columns output pixels."""
    cdef Shape phase = shape[0]
    phase.OH, phase.OW = rows, columns
    return cost(&phase, PANELS, False) < cost(&phase, ROWS, False)
