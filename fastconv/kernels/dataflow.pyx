"""Which dataflow computes a convolution: the one place that decides.

Each dataflow has a cost: the cycles that a multiply-add of the direct sum takes, per lane. A register tile at full speed costs 1. The
choice depends on the layer's shape alone, never on the batch or the threads, because Winograd's bits differ from a direct sum's.
"""
from fastconv.kernels.channels cimport MOST_COLUMNS
from fastconv.kernels.runtime cimport winograd_allowed
from fastconv.kernels.slab cimport ceil_to
from fastconv.kernels.winograd cimport MOST_CHANNELS

NAMES = ("panels", "rows", "channels", "filters", "winograd4", "winograd3", "winograd2", "lines4", "lines2")
WEIGHT_NAMES = ("lanes", "product", "filters", "winograd4", "winograd3", "winograd2")


cdef enum:
    FIRST_BYTES = 32 * 1024          # of the first-level cache
    CACHE_BYTES = 20 * 1024 * 1024   # of the last-level cache
    WEIGHT_BYTES = 512 * 1024        # of a channel tile: beyond, they stream from the last-level cache
    MOST_PIXELS = 14                 # of a run
    FEW_CHANNELS = 8
    WIDE_BYTES = 64                  # of a vector, where there are 32 registers of them
    # Of the source rows that one output row reads, in all channels: they have to stay in a cache. Winograd's points of them take up to
    # three times as much.
    CHANNELS_BYTES = 1024 * 1024


cdef int winograd_tile(int dataflow) noexcept nogil:
    """Outputs of a tile along an axis; 0 for what is not Winograd's."""
    return 4 if dataflow == WINOGRAD4 else 3 if dataflow == WINOGRAD3 else 2 if dataflow == WINOGRAD2 else 0


cdef int line_tile(int dataflow) noexcept nogil:
    """Outputs of a tile of Winograd's filtering along the rows alone; 0 for what is none."""
    return 4 if dataflow == LINES4 else 2 if dataflow == LINES2 else 0


cdef Py_ssize_t winograd_taps(const Shape *shape) noexcept nogil:
    """Taps of a filter along an axis once a strided layer is split into its phases."""
    return max((shape.KH + shape.stride_h - 1) // shape.stride_h, (shape.KW + shape.stride_w - 1) // shape.stride_w)


cdef bint possible(const Shape *shape, int dataflow) noexcept nogil:
    cdef int m = winograd_tile(dataflow)
    cdef Py_ssize_t taps
    if m > 0:
        taps = winograd_taps(shape)
        return (shape.itemsize == 4 and shape.groups == 1 and shape.dil_h == 1 and shape.dil_w == 1
                and (m + taps == 7 or (m + taps == 5 and taps >= 2))
                and shape.channels * (1 if shape.transposed else shape.stride_h * shape.stride_w) <= MOST_CHANNELS)
    if shape.transposed and shape.stride_h * shape.stride_w > 1:
        return dataflow == PANELS        # phase by phase
    if line_tile(dataflow) > 0 and (shape.itemsize != 4 or line_tile(dataflow) + shape.KW != 7
                                    or shape.stride_h * shape.stride_w * shape.dil_h * shape.dil_w > 1):
        return False
    if dataflow == FILTERS:
        return shape.channels == 1 or (shape.channels == shape.planes and not shape.transposed)
    if dataflow == CHANNELS or line_tile(dataflow) > 0:
        return ((1 if dataflow == CHANNELS else 2) * shape.channels * shape.itemsize * ((shape.KH - 1) * shape.dil_h + 1)
                * ((min(shape.OW, MOST_COLUMNS) - 1) * shape.stride_w + (shape.KW - 1) * shape.dil_w + 1) <= CHANNELS_BYTES)
    return True


cdef double reading_cost(const Shape *shape) noexcept nogil:
    """Of a pixel in a vector of channels: it is turned around, and phases are taken apart before."""
    return shape.lanes * (1.1 if shape.stride_h * shape.stride_w == 1 else 1.25 + shape.stride_w)


cdef double winograd_cost(const Shape *shape, int m, bint prepared) noexcept nogil:
    """Cycles, by parts: the products, with their weights, and the transforms of both sides, a vector of channels of a point each. A part
    of these grows with the pixels for each point."""
    cdef Py_ssize_t phases = shape.stride_h * shape.stride_w, r = winograd_taps(shape)
    cdef Py_ssize_t channels = shape.channels * (1 if shape.transposed else phases)
    cdef Py_ssize_t outputs = shape.outputs * (phases if shape.transposed else 1)
    cdef Py_ssize_t height = ceil_to(shape.OH, shape.stride_h) // shape.stride_h if shape.transposed else shape.OH
    cdef Py_ssize_t width = ceil_to(shape.OW, shape.stride_w) // shape.stride_w if shape.transposed else shape.OW
    cdef double tiles = <double> ((height + m - 1) // m) * ((width + m - 1) // m)
    cdef Py_ssize_t points = (m + r - 1) * (m + r - 1)
    cdef double vectors = ceil_to(outputs, shape.lanes) / shape.lanes
    cdef double weights = points * channels * vectors
    cdef double products = tiles, pixels = <double> m * m / points, taps = <double> r * r / points
    cdef double reading = 1.1 * shape.lanes if shape.transposed else reading_cost(shape)
    cdef double writing = 0.9 * shape.lanes * shape.stride_w if phases > 1 and shape.transposed else 11
    if prepared:                 # a vector of weights is read once a panel, from the last-level cache or, too large for it, from memory
        products = max(products, 13 if weights * shape.lanes * 4 > CACHE_BYTES else 4)
    else:                        # or made
        products += (8 + (45 if phases == 1 else 150) * taps if shape.transposed
                     else 10 + (27 if phases == 1 else 115) * taps) / shape.slices
    reading = (8.5 if wide(shape) else 5) + reading * pixels
    writing = 5.5 + writing * pixels
    return weights * products + points * tiles * (reading * ceil_to(channels, shape.lanes) / shape.lanes + writing * vectors)


cdef double filled(Py_ssize_t count, Py_ssize_t lanes) noexcept nogil:
    """Lanes at work, those behind the last element included, for each that counts."""
    return ceil_to(count, lanes) / <double> count


cdef bint wide(const Shape *shape) noexcept nogil:
    """Whether there are many registers of long vectors."""
    return shape.lanes * shape.itemsize >= WIDE_BYTES


cdef double pixel_cost(const Shape *shape, bint panels) noexcept nogil:
    """Pixels in the lanes. What comes once a tile: its results are loaded and stored, and the driver sets it up."""
    cdef bint pointwise = (shape.KH == 1 and shape.KW == 1 and shape.stride_h == 1 and shape.stride_w == 1
                           and shape.pad_h == 0 and shape.pad_w == 0)
    cdef double depth = <double> shape.channels * shape.KH * shape.KW
    cdef double tile = 0.06 + 2.7 / depth + 20.0 / (depth * shape.outputs)
    if shape.stride_h * shape.stride_w > 1 and not shape.transposed:     # the source is sorted by its phases
        tile += ((1.0 if shape.stride_w == 2 else 2.0) * shape.lanes * shape.H * shape.W
                 / (<double> shape.outputs * shape.KH * shape.KW * shape.OH * shape.OW))
    if panels:      # packing: a few vectors a step of the depth, more where rows are short, shared by the output channels of a task
        return tile + filled(shape.OH * shape.OW, shape.lanes) + max(8.0 if pointwise and not wide(shape) else 3.5,
                                                                     2.0 * shape.lanes / shape.OW) / min(shape.outputs, 64)
    if pointwise:   # one long row; channels lie far apart, on a page each, and a tile crosses all of them
        return tile + filled(shape.OH * shape.OW, shape.lanes) + (0.05 if wide(shape) else 0.08 if shape.channels <= 64 else 0.25)
    # Half of the short vectors, where they are not packed, lie across two cache lines; of the long ones nearly all do, but are fewer.
    # And a step of few products looks up its offset.
    return tile + filled(shape.OW, shape.lanes) + (0 if wide(shape) else 0.08)


cdef double channel_cost(const Shape *shape) noexcept nogil:
    """Output channels in the lanes; turning a run of results around costs about 14 steps."""
    cdef Py_ssize_t depth = shape.channels * shape.KH * shape.KW, runs = ceil_to(shape.OW, MOST_PIXELS) // MOST_PIXELS
    cdef double weights = 0.08 if 2 * shape.lanes * shape.itemsize * depth > WEIGHT_BYTES else 0
    cdef double step = 1.04 + 0.3 * runs / shape.OW
    if not wide(shape):          # two loads for three products, and each pixel of a lone tap lies on a page of its own
        step += 0.35 if shape.KH * shape.KW == 1 else 0.08
    return filled(shape.outputs, shape.lanes) * step + 14.0 / depth + weights


cdef double line_cost(const Shape *shape, int m, bint prepared) noexcept nogil:
    """6 multiply-adds for m outputs of KW taps (with 16 registers more than a load each); making points of a vector of pixels costs about
    26 steps, of weights 150, of those that lie the wrong way round twice as many. Where no rows share them, points and weights of many
    channels come from the second-level cache: twice as long."""
    cdef Py_ssize_t tiles = ceil_to(shape.OW, m) // m, depth = shape.channels * shape.KH * shape.KW
    cdef double pixels = <double> shape.OH * shape.OW, lanes = filled(shape.outputs, shape.lanes)
    cdef double step = 6.9 if wide(shape) else 20
    if shape.KH == 1 and 6 * (shape.lanes * 4 + 64) * shape.channels > FIRST_BYTES:
        step *= 2
    return (lanes * step * tiles / (shape.KW * shape.OW) + 10.0 / depth
            + 26.0 * tiles / (<double> shape.outputs * shape.KH * shape.KW * shape.OW)
            + (0 if prepared else (300 if shape.transposed else 150) * lanes / (shape.KW * pixels * shape.slices))
            + (0.08 if 6 * shape.lanes * 4 * shape.channels * shape.KH > WEIGHT_BYTES else 0))


cdef double cost(const Shape *shape, int dataflow, bint prepared) noexcept nogil:
    cdef double pixels = <double> shape.OH * shape.OW, pack
    if winograd_tile(dataflow) > 0:
        if shape.transposed and shape.stride_h * shape.stride_w > 1:     # phases multiply nothing by zero
            pixels = <double> shape.H * shape.W
        return (winograd_cost(shape, winograd_tile(dataflow), prepared) * shape.lanes
                / (pixels * shape.channels * shape.outputs * shape.KH * shape.KW))
    if line_tile(dataflow) > 0:
        return line_cost(shape, line_tile(dataflow), prepared)
    if dataflow == FILTERS:      # nearly a load a multiply-add, and results are stored after few of them
        return (1.5 if shape.KH == 3 and shape.KW == 3 else 1.25 + 4.5 / (shape.KH * shape.KW)) * filled(shape.OW, shape.lanes)
    # Packing the weights, which lie the wrong way round for the gradient of the input.
    pack = 0 if prepared else (42 if shape.transposed else 12) / (pixels * shape.slices)
    return pack + (channel_cost(shape) if dataflow == CHANNELS else pixel_cost(shape, dataflow == PANELS))


cdef bint has_few_channels(const Shape *shape) noexcept nogil:
    """On either side, phases counted. There Winograd saves little, and a sum of so few terms hardly rounds."""
    return min(shape.channels, shape.outputs) * shape.stride_h * shape.stride_w < FEW_CHANNELS


cdef int choose(const Shape *shape, bint prepared, bint winograd) noexcept nogil:
    """The possible dataflow of least cost; `prepared`: the weights are packed once for many calls; `winograd`: it is allowed."""
    cdef int dataflow, best = PANELS if shape.transposed and shape.stride_h * shape.stride_w > 1 else ROWS
    cdef double least, here
    if possible(shape, FILTERS) and shape.outputs < 4:      # a tile of so few rows waits for its own results
        return FILTERS
    least = cost(shape, best, prepared)
    for dataflow in range(DATAFLOWS):
        if not possible(shape, dataflow):
            continue
        if (winograd_tile(dataflow) > 0 or line_tile(dataflow) > 0) and not winograd:
            continue
        if winograd_tile(dataflow) > 0 and not prepared and has_few_channels(shape):
            continue
        here = cost(shape, dataflow, prepared)
        if here < least:
            least, best = here, dataflow
    return best


cdef int choose_as_lanes(const Shape *shape) noexcept nogil:
    """The choice for a prepared layer whose larger batches have their images in the lanes, where the same bits are to come out: of the
    dataflows that add up a filter's products in the order of its weights, or the points of its rows tile by tile."""
    cdef int dataflow, best = ROWS
    cdef bint lines = winograd_allowed() and shape.OW <= MOST_COLUMNS    # a row that is cut has its tiles elsewhere
    for dataflow in range(DATAFLOWS):
        if dataflow == FILTERS or winograd_tile(dataflow) > 0 or (line_tile(dataflow) > 0 and not (lines and possible(shape, dataflow))):
            continue
        if cost(shape, dataflow, True) < cost(shape, best, True):
            best = dataflow
    return best


cdef bint panels_pay(const Shape *shape, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Whether packed panels beat vectors that each lie in one row, for a phase of rows x columns output pixels."""
    cdef Shape phase = shape[0]
    phase.OH, phase.OW = rows, columns
    return cost(&phase, PANELS, False) < cost(&phase, ROWS, False)


cdef int weight_tile(int dataflow) noexcept nogil:
    """Pixels of a tile of the gradient along an axis; 0 for what is not Winograd's."""
    return 4 if dataflow == TILES4 else 3 if dataflow == TILES3 else 2 if dataflow == TILES2 else 0


cdef bint weights_possible(const Shape *shape, int dataflow) noexcept nogil:
    cdef int forward = WINOGRAD4 if dataflow == TILES4 else WINOGRAD3 if dataflow == TILES3 else WINOGRAD2
    if dataflow == PLANES:
        return (shape.channels == shape.planes and shape.KH == 3 and shape.KW == 3 and shape.stride_h == shape.stride_w
                and shape.stride_h <= 2 and shape.dil_h == 1 and shape.dil_w == 1)
    return weight_tile(dataflow) == 0 or possible(shape, forward)


cdef double weight_cost(const Shape *shape, int dataflow) noexcept nogil:
    """Cycles an image."""
    cdef double weights = <double> shape.groups * shape.channels * shape.outputs * shape.KH * shape.KW
    cdef double pixels = <double> shape.OH * shape.OW, tiles, part
    cdef int m = weight_tile(dataflow)
    cdef Py_ssize_t depth = shape.channels * shape.KH * shape.KW, r = winograd_taps(shape), points, channels, outputs
    if dataflow == LANES:        # a vector of sums a weight, which are added up at the end
        return weights / shape.lanes * (1.4 * ceil_to(shape.OH * shape.OW, shape.lanes) + 2.5 * pixels / shape.outputs
                                        + 155.0 / shape.slices)
    if dataflow == PRODUCT:      # packing the taps is shared by the outputs
        return (weights / shape.lanes * pixels * (1.2 * filled(shape.outputs, 8 if wide(shape) else 6) * filled(depth, shape.lanes)
                                                  + 9.0 / shape.outputs)
                + 400.0 * shape.groups * depth / (shape.lanes * shape.slices))
    channels = ceil_to(shape.channels * shape.stride_h * shape.stride_w, shape.lanes) // shape.lanes
    outputs = ceil_to(shape.outputs, shape.lanes) // shape.lanes
    points = (m + r - 1) * (m + r - 1)
    tiles = <double> ((shape.OH + m - 1) // m) * ((shape.OW + m - 1) // m)
    part = <double> m * m / points
    # Products, which are loaded and stored once a group of tiles, about 64 of them; the transforms of both sides; and the way back.
    return (<double> points * channels * shape.outputs * (0.9 * tiles + 10 * max(1.0 / shape.slices, tiles / 64))
            + points * tiles * (channels * (10 + reading_cost(shape) * part) + outputs * (10 + 17 * part))
            + <double> channels * shape.outputs * r * r * (43 if shape.stride_h * shape.stride_w == 1 else 170) / shape.slices)


cdef int choose_weights(const Shape *shape, bint winograd) noexcept nogil:
    """The possible dataflow of least cost for the gradient of the weights."""
    cdef int dataflow, best = LANES
    cdef double least = weight_cost(shape, LANES), here
    if weights_possible(shape, PLANES):
        return PLANES
    for dataflow in range(WEIGHT_DATAFLOWS):
        if dataflow == PLANES or not weights_possible(shape, dataflow) or (weight_tile(dataflow) > 0 and not winograd):
            continue
        here = weight_cost(shape, dataflow)
        if here < least:
            least, best = here, dataflow
    return best
